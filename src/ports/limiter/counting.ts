import { LRUCache } from 'lru-cache'
import { type RateLimiterAbstract, RateLimiterRes } from 'rate-limiter-flexible'
import type { Counter, Tally } from './limiter.ts'

/** Each policy has a quota, and some callers have one of their own. */
const MOST_LIMITERS = 1_000

/**
 * One limiter of rate-limiter-flexible for each policy, window and quota. What they count is kept
 * elsewhere, so that one that is dropped and made again goes on where it was.
 */
export function rememberLimiters<T extends RateLimiterAbstract>(
  make: (counter: Counter) => T,
): (counter: Counter) => T {
  const known = new LRUCache<string, T>({ max: MOST_LIMITERS })
  return (counter) => {
    const key = `${counter.name} ${counter.windowSeconds} ${counter.quota}`
    const found = known.get(key)
    if (found) return found
    const made = make(counter)
    known.set(key, made)
    return made
  }
}

/**
 * Asks for one point. A refusal is a tally that is spent.
 * @throws whatever the store throws
 */
export function takeOne(limiter: RateLimiterAbstract, counter: Counter): Promise<Tally> {
  return limiter.consume(counter.subject).then(
    (state) => tallyOf(counter, state, false),
    (refusal: unknown) => {
      if (refusal instanceof RateLimiterRes) return tallyOf(counter, refusal, true)
      throw refusal
    },
  )
}

/** How a counter stands; without a state its window has not begun. */
export function tallyOf(counter: Counter, state: RateLimiterRes | null, spent: boolean): Tally {
  const { quota, windowSeconds } = counter
  return {
    quota,
    windowSeconds,
    remaining: state ? Math.max(0, quota - state.consumedPoints) : quota,
    resetsInMs: state ? Math.max(0, state.msBeforeNext) : windowSeconds * 1000,
    spent,
  }
}
