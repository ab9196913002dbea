import type { RateLimiterAbstract } from 'rate-limiter-flexible'
import type { Counter, Limiter, Tally } from '../limiter.ts'
import { takeOne, tallyOf } from './counting.ts'

/** A limiter whose counters several instances share. Every function throws when the store fails. */
export type SharedLimiter = Limiter & {
  /** Gives up a connection on which nothing is answered, and makes another. */
  reconnect(): void
}

/** A store, as a SharedLimiter needs it. */
export type SharedStore = {
  limiterOf: (counter: Counter) => RateLimiterAbstract
  /** What `begin` asks before it returns is one request: all is consumed, or nothing. */
  together: <T>(begin: () => T) => T
  prune(): Promise<void>
  reconnect(): void
  close(): Promise<void>
}

/** A write, since a store may answer and yet be read-only or full. */
const PROBE: Counter = { name: 'probe', subject: 'probe', quota: 1_000_000_000, windowSeconds: 60 }

/** Counts in a store, in one round trip for each call at most. */
export function createSharedLimiter(store: SharedStore): SharedLimiter {
  const { limiterOf, together, prune, reconnect, close } = store
  const look = async (counter: Counter): Promise<Tally> =>
    tallyOf(counter, await limiterOf(counter).get(counter.subject), false)
  const take = (counters: readonly Counter[]): Promise<Tally[]> =>
    together(() => Promise.all(counters.map((counter) => takeOne(limiterOf(counter), counter))))

  return {
    take,
    async giveBack(counter) {
      await limiterOf(counter).reward(counter.subject)
    },
    async clear(counter) {
      await limiterOf(counter).delete(counter.subject)
    },
    peek: (counters) => together(() => Promise.all(counters.map(look))),
    async check() {
      await take([PROBE])
      return 'up'
    },
    prune,
    reconnect,
    close,
  }
}
