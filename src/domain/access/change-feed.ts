import type { Clock } from '../../ports/clock/clock.ts'

/** How often other instances are asked for what they changed: well within the promised 5 s. */
const POLL_MS = 2_000
/** Clocks of instances may differ, and a row appears only when its transaction commits. */
export const OVERLAP_MS = 60_000

export type ChangeFeed = {
  /** Fetches what was changed anywhere since the last time. */
  refresh(): Promise<void>
  /** Does so every two seconds until the returned function is called. */
  follow(onError: (error: unknown) => void): () => void
}

/**
 * Keeps this instance up with what others change, so that no call has to ask the database.
 * @param firstSpanMs how far back the first reading goes
 * @param take reads what changed at `since` or later, and notes it; a change may come several times
 */
export function createChangeFeed(
  clock: Clock,
  firstSpanMs: number,
  take: (since: Date, now: Date) => Promise<void>,
): ChangeFeed {
  let seenUntil: number | undefined
  const refresh = async (): Promise<void> => {
    const now = clock.now()
    const since = seenUntil ?? now.getTime() - firstSpanMs
    await take(new Date(since - OVERLAP_MS), now)
    seenUntil = now.getTime()
  }
  return { refresh, follow: (onError) => clock.every(POLL_MS, refresh, onError) }
}
