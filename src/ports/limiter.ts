import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'

/** One thing that is counted: `quota` points for a subject in a fixed window. */
export type Counter = { name: string; subject: string; quota: number; windowSeconds: number }

/** How a counter stands. `spent` says that it refused a point that was asked of it. */
export type Tally = {
  quota: number
  windowSeconds: number
  remaining: number
  resetsInMs: number
  spent: boolean
}

/** Counts calls. All of the counters of one call are taken, or none. */
export interface Limiter {
  take(counters: readonly Counter[]): Promise<Tally[]>
  giveBack(counter: Counter): Promise<void>
  clear(counter: Counter): Promise<void>
  peek(counters: readonly Counter[]): Promise<Tally[]>
  /** Whether it can count now. */
  check(): Promise<'up' | 'down'>
}

/** Counts in this process. The counters end with it. */
export function createMemoryLimiter(): Limiter {
  const stores = new Map<string, RateLimiterMemory>()

  /** One for all quotas of a window, so that a changed quota keeps what was counted. */
  const storeOf = ({ name, quota, windowSeconds }: Counter): RateLimiterMemory => {
    const key = `${name}/${windowSeconds}`
    const options = { keyPrefix: name, points: quota, duration: windowSeconds }
    const store = stores.get(key) ?? new RateLimiterMemory(options)
    stores.set(key, store)
    // It compares with this before anything else can run.
    store.points = quota
    return store
  }

  const peekOne = async (counter: Counter): Promise<Tally> => {
    const state = await storeOf(counter).get(counter.subject)
    return tallyOf(counter, state, false)
  }

  const takeOne = async (counter: Counter): Promise<Tally> => {
    try {
      return tallyOf(counter, await storeOf(counter).consume(counter.subject), false)
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) throw refusal
      return tallyOf(counter, refusal, true)
    }
  }

  const giveBack = async (counter: Counter): Promise<void> => {
    const state = await storeOf(counter).get(counter.subject)
    // Its window may have ended since: then there is nothing to give back to.
    if (state && state.consumedPoints > 0) await storeOf(counter).reward(counter.subject)
  }

  return {
    giveBack,

    async take(counters) {
      const before = await Promise.all(counters.map(peekOne))
      if (before.some(({ remaining }) => remaining === 0)) {
        return before.map((tally) => ({ ...tally, spent: tally.remaining === 0 }))
      }
      const tallies = await Promise.all(counters.map(takeOne))
      if (!tallies.some(({ spent }) => spent)) return tallies
      // Another call took the last point between the look and the taking.
      const taken = counters.filter((_, i) => !tallies[i]!.spent)
      await Promise.all(taken.map(giveBack))
      return tallies
    },

    async clear(counter) {
      await storeOf(counter).delete(counter.subject)
    },

    peek: (counters) => Promise.all(counters.map(peekOne)),

    check: () => Promise.resolve('up'),
  }
}

function tallyOf(counter: Counter, state: RateLimiterRes | null, spent: boolean): Tally {
  const { quota, windowSeconds } = counter
  return {
    quota,
    windowSeconds,
    remaining: state ? Math.max(0, quota - state.consumedPoints) : quota,
    resetsInMs: state ? Math.max(0, state.msBeforeNext) : windowSeconds * 1000,
    spent,
  }
}
