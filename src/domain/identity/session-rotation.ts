import type { Session } from '../../store/store.ts'
import type { Revocations } from '../access/revocations.ts'
import type { Call } from '../calls/call.ts'
import type { Dependencies } from '../dependencies.ts'
import { Problem } from '../problem.ts'
import type { Audit } from '../records/audit.ts'

/** The previous refresh token stays valid for this long: a lost reply must not log the user out. */
const REUSE_GRACE_MS = 30_000

type Deps = Pick<Dependencies, 'store' | 'clock'> & { revocations: Revocations; audit: Audit }
type RefreshToken = { sessionId: string; counter: number }

/**
 * Advances the session of a refresh token, so that the token cannot be used again. Returns the
 * session after that, or after the rotation that another call made with the same token.
 * @param slide the new end of the session's idle time
 * @throws {Problem} token-invalid, token-expired, account-disabled; refresh-token-reused, after the
 *   session was revoked
 */
export async function rotateSession(
  deps: Deps,
  { sessionId: id, counter }: RefreshToken,
  slide: (now: Date) => Date,
  call: Call,
): Promise<Session> {
  const { sessions } = deps.store
  const now = deps.clock.now()
  const rotated = await sessions.rotate({ id, counter, now, expiresAt: slide(now) })
  if (rotated) return rotated
  const session = await sessions.find(id)
  if (!session || session.revokedAt || counter > session.refreshCounter) {
    throw new Problem('token-invalid')
  }
  if (session.expiresAt <= now) throw new Problem('token-expired')
  // Only a disabled account keeps the current token from rotating. It is valid again once the
  // account is enabled.
  if (counter === session.refreshCounter) throw new Problem('account-disabled')
  if (isWithinGrace(session, counter, now)) return session
  await revokeReused(deps, session, call)
  throw new Problem('refresh-token-reused')
}

/** In a transaction of its own: the session stays revoked although the call fails. */
async function revokeReused(deps: Deps, session: Session, call: Call): Promise<void> {
  const { id, accountId } = session
  const now = deps.clock.now()
  await deps.store.atomically(async (nouns) => {
    await nouns.sessions.revoke({ id, now })
    const target = { kind: 'session', id } as const
    await deps.audit.record(nouns, call, { event: 'refresh-token.reused', target, accountId })
  })
  deps.revocations.add(id, now)
}

function isWithinGrace(session: Session, counter: number, now: Date): boolean {
  const ageMs = now.getTime() - session.rotatedAt.getTime()
  return counter + 1 === session.refreshCounter && ageMs <= REUSE_GRACE_MS
}
