import type { Clock } from '../../ports/clock/clock.ts'
import type { Store } from '../../store/store.ts'
import { type ChangeFeed, createChangeFeed, OVERLAP_MS } from './change-feed.ts'

export type Revocations = ChangeFeed & {
  isSessionEnded(sessionId: string): boolean
  /** Notes what this instance has just ended, after the database has it. */
  note(sessionId: string, at: Date): void
}

/**
 * The sessions that were ended while access tokens of theirs may still be alive. Held in memory, so
 * that no call asks the database; filled at the start and kept up with what other instances end.
 * @param ttlSeconds how long an access token lives: after that its session need not be remembered
 */
export function createRevocations(
  { store, clock }: { store: Pick<Store, 'sessions'>; clock: Clock },
  ttlSeconds: number,
): Revocations {
  const endedAt = new Map<string, number>()
  const note = (sessionId: string, at: Date): void => {
    endedAt.set(sessionId, at.getTime())
  }
  const forgetOld = (now: Date): void => {
    const oldest = now.getTime() - ttlSeconds * 1000 - OVERLAP_MS
    for (const [id, at] of endedAt) if (at < oldest) endedAt.delete(id)
  }
  const feed = createChangeFeed(clock, ttlSeconds * 1000, async (since, now) => {
    for (const { id, revokedAt } of await store.sessions.revokedSince(since)) note(id, revokedAt)
    forgetOld(now)
  })
  return { ...feed, note, isSessionEnded: (sessionId) => endedAt.has(sessionId) }
}
