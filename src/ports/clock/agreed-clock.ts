import type { Clock } from './clock.ts'

/** Clocks this close count as equal: the round trip limits how exactly they can be compared. */
const TOLERATED_MS = 1_000

/** A clock that can be set by another. */
export type AgreedClock = Clock & {
  /**
   * Sets it by another clock if they are more than a second apart. If asking took longer than that,
   * nothing changes: it is unknown when the reply was true.
   * @param askOther resolves with the time of the other clock
   * @throws what `askOther` throws
   */
  setBy(askOther: () => Promise<Date>): Promise<void>
}

/**
 * The given clock with an agreed wall time: the same for all instances that set theirs by the same
 * clock. A deadline that one of them writes holds for the others, whatever time their machines show.
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
