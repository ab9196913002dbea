import type { RateLimiterAbstract } from 'rate-limiter-flexible'
import type { Counter, Limiter, Tally } from './limiter.ts'
import type { StoreFault } from '../redis/faults.ts'
import { takeOne, tallyOf } from './counting.ts'

/** A limiter whose counters several instances share. Every function throws when the store fails. */
export type SharedLimiter = Limiter & {
  /** What an operator should know of a failure, where it is known. */
  explain(error: unknown): StoreFault | undefined
  /** Gives up a connection on which nothing is answered, and makes another. */
  reconnect(): void
}

/** A store, as a SharedLimiter needs it. */
export type SharedStore = {
  limiterOf: (counter: Counter) => RateLimiterAbstract
  /** What `begin` asks before it returns is one request: all is consumed, or nothing. */
  together: <T>(begin: () => T) => T
  prune(): Promise<void>
  explain(error: unknown): StoreFault | undefined
  reconnect(): void
  close(): Promise<void>
}

/** Two, since a call has several counters, and a cluster refuses only what has more than one key. */
const PROBES = ['one', 'other'].map((subject): Counter => {
  return { name: 'probe', subject, quota: 1_000_000_000, windowSeconds: 60 }
})

/** Counts in a store, in one round trip for each call at most. */
export function createSharedLimiter(store: SharedStore): SharedLimiter {
  const { limiterOf, together, prune, explain, reconnect, close } = store
  const look = async (counter: Counter): Promise<Tally> =>
    tallyOf(counter, await limiterOf(counter).get(counter.subject), false)
  const take = (counters: readonly Counter[]): Promise<Tally[]> =>
    together(() => Promise.all(counters.map((counter) => takeOne(limiterOf(counter), counter))))
  const peek = (counters: readonly Counter[]): Promise<Tally[]> =>
    together(() => Promise.all(counters.map(look)))
  const giveBack = async (counter: Counter): Promise<void> => {
    await limiterOf(counter).reward(counter.subject)
  }
  const clear = async (counter: Counter): Promise<void> => {
    await limiterOf(counter).delete(counter.subject)
  }

  return {
    take,
    giveBack,
    clear,
    peek,
    /**
     * Does all that calls do: a store may answer and yet be read-only, full, a cluster, or refuse
     * one of the commands to this user.
     */
    async check() {
      await take(PROBES)
      await Promise.all([peek(PROBES), giveBack(PROBES[0]!), clear(PROBES[1]!)])
      return 'up'
    },
    prune,
    explain,
    reconnect,
    close,
  }
}
