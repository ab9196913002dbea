import type { Dependencies } from '../dependencies.ts'

/** How often the database is looked for. */
const LOOK_EVERY_MS = 5_000
/**
 * So far apart two looks may be. An outage between them leaves whoever lived before it enough of a lease
 * to renew it, though the statement that was on its way takes 8 s to fail.
 */
const LONGEST_GAP_MS = 11_000

export type Reachability = ReturnType<typeof createReachability>

/**
 * Whether a lease that is over says anything. While the database is away nobody can renew one, and
 * the first to come when it is back may not be the one whose lease it is: only who has reached the
 * database for the length of a lease, without a gap, has seen others miss their turns. To start is to
 * begin after a gap.
 * @param leaseMs how long a lease is that is not renewed
 */
export function createReachability(
  { store, clock }: Pick<Dependencies, 'store' | 'clock'>,
  leaseMs: number,
) {
  let sinceMs = clock.now().getTime()
  let seenMs = sinceMs

  // Who slept has seen nothing in the meantime, and a clock may be set.
  const isGap = (nowMs: number) => nowMs < seenMs || nowMs - seenMs > LONGEST_GAP_MS

  const look = async (): Promise<void> => {
    try {
      await store.ping()
    } catch (error) {
      sinceMs = Infinity
      throw error
    }
    const nowMs = clock.now().getTime()
    if (sinceMs === Infinity || isGap(nowMs)) sinceMs = nowMs
    seenMs = nowMs
  }

  return {
    /** Looks, until the returned function is called. */
    keepUp: (onError: (error: unknown) => void): (() => void) =>
      clock.every(LOOK_EVERY_MS, look, onError),

    /** Whether what has a lease that is over now was left behind. */
    canJudge(): boolean {
      // The embedded database serves one process: there is nobody to be mistaken about.
      if (store.embedded) return true
      const nowMs = clock.now().getTime()
      return !isGap(nowMs) && nowMs - sinceMs >= leaseMs
    },
  }
}
