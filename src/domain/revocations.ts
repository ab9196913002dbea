import type { Clock } from '../ports/clock.ts'
import type { Store } from '../store/store.ts'

/** How often other instances are asked for what they revoked: well within the promised 5 s. */
const POLL_MS = 2_000
/** Clocks of instances may differ, and a row appears only when its transaction commits. */
const OVERLAP_MS = 60_000

export type Revocations = ReturnType<typeof createRevocations>

/**
 * The sessions that were ended while access tokens of theirs may still be alive. Held in memory, so
 * that no call asks the database; filled at the start and kept up with what other instances end.
 * @param ttlSeconds how long an access token lives: after that its session need not be remembered
 */
export function createRevocations(
  { store, clock }: { store: Pick<Store, 'sessions'>; clock: Clock },
  ttlSeconds: number,
) {
  const endedAt = new Map<string, number>()
  let seenUntil = 0

  const note = (sessionId: string, at: Date) => endedAt.set(sessionId, at.getTime())

  const forgetOld = (now: number) => {
    const oldest = now - ttlSeconds * 1000 - OVERLAP_MS
    for (const [id, at] of endedAt) if (at < oldest) endedAt.delete(id)
  }

  /** Fetches what was ended anywhere since the last time. The first call fetches all that matters. */
  const refresh = async (): Promise<void> => {
    const now = clock.now().getTime()
    const since = seenUntil === 0 ? now - ttlSeconds * 1000 : seenUntil
    const ended = await store.sessions.revokedSince(new Date(since - OVERLAP_MS))
    for (const { id, revokedAt } of ended) note(id, revokedAt)
    seenUntil = now
    forgetOld(now)
  }

  return {
    refresh,

    /** Ends a session: it is refused here from now on, and on other instances within seconds. */
    async endSession(id: string): Promise<void> {
      const now = clock.now()
      await store.sessions.revoke({ id, now })
      note(id, now)
    },

    isSessionEnded: (sessionId: string): boolean => endedAt.has(sessionId),

    /** Notes what this instance has just ended, after the database has it. */
    note,

    /** Keeps up with other instances until the returned function is called. */
    follow: (onError: (error: unknown) => void): (() => void) =>
      clock.every(POLL_MS, refresh, onError),
  }
}
