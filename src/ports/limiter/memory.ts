import { type IRateLimiterOptions, RateLimiterMemory } from 'rate-limiter-flexible'
import type { Clock } from '../clock/clock.ts'
import type { Counter, Limiter } from './limiter.ts'
import { rememberLimiters, takeOne, tallyOf } from './counting.ts'
import { Windows } from './windows.ts'

/** Subjects of one policy that are remembered at once: about 12 MB when junk has filled it. */
const MOST_SUBJECTS = 50_000

class MemoryWindows extends RateLimiterMemory {
  readonly windows: Windows

  constructor(options: IRateLimiterOptions, windows: Windows) {
    super(options)
    this.windows = windows
    // Its own storage is no option of the library; tests/limits hold it to this field.
    Object.assign(this, { _memoryStorage: windows })
  }
}

/**
 * Counts in this process. The counters end with it.
 * @param mostSubjects of each policy; beyond that, the one whose window ends first is forgotten.
 *   Each policy has its own room, so that junk in one (addresses) drives nobody out of another.
 */
export function createMemoryLimiter(
  clock: Pick<Clock, 'monotonicMs'>,
  mostSubjects = MOST_SUBJECTS,
): Limiter {
  const kept = new Map<string, Windows>()
  const windowsOf = ({ name, windowSeconds }: Counter): Windows => {
    const key = `${name} ${windowSeconds}`
    const windows = kept.get(key) ?? new Windows(clock, mostSubjects)
    kept.set(key, windows)
    return windows
  }
  const limiterOf = rememberLimiters((counter) => {
    const options = { keyPrefix: '', points: counter.quota, duration: counter.windowSeconds }
    return new MemoryWindows(options, windowsOf(counter))
  })
  const isSpent = (counter: Counter): boolean =>
    limiterOf(counter).windows.consumed(counter.subject) >= counter.quota
  const look = async (counter: Counter, spent: boolean) =>
    tallyOf(counter, await limiterOf(counter).get(counter.subject), spent)

  return {
    // From the look to the last point taken nothing else runs: RateLimiterMemory counts before it
    // returns its promise. That makes it all or none.
    async take(counters) {
      if (counters.some(isSpent)) return Promise.all(counters.map((c) => look(c, isSpent(c))))
      return Promise.all(counters.map((counter) => takeOne(limiterOf(counter), counter)))
    },
    async giveBack(counter) {
      await limiterOf(counter).reward(counter.subject)
    },
    async clear(counter) {
      await limiterOf(counter).delete(counter.subject)
    },
    peek: (counters) => Promise.all(counters.map((counter) => look(counter, false))),
    check: () => Promise.resolve('up'),
    prune: () => Promise.resolve(),
    close: () => Promise.resolve(),
  }
}
