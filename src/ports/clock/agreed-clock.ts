import type { Clock } from './clock.ts'

/** Within it clocks count as equal: measuring is no more exact than the way there and back. */
const TOLERATED_MS = 1_000

/** A clock that can be set by another. */
export type AgreedClock = Clock & {
  /**
   * Sets it by another clock if they are more than a second apart. Nothing changes when asking took
   * longer than that: nobody can say when the answer was true.
   * @param askOther what time it is there
   * @throws what asking does
   */
  setBy(askOther: () => Promise<Date>): Promise<void>
}

/**
 * The given clock with another wall time: the same for all instances that set theirs by the same
 * one. What one of them writes as "until then" another can judge, whatever their machines show.
 */
export function createAgreedClock(own: Clock): AgreedClock {
  let aheadMs = 0
  return {
    now: () => new Date(own.now().getTime() + aheadMs),
    monotonicMs: () => own.monotonicMs(),
    wait: (ms, signal) => own.wait(ms, signal),
    every: (ms, run, onError) => own.every(ms, run, onError),
    async setBy(askOther) {
      const startMs = own.monotonicMs()
      const there = await askOther()
      const tookMs = own.monotonicMs() - startMs
      if (tookMs > TOLERATED_MS) return
      const foundMs = there.getTime() + tookMs / 2 - own.now().getTime()
      if (Math.abs(foundMs - aheadMs) > TOLERATED_MS) aheadMs = foundMs
    },
  }
}
