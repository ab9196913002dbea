import type { Account, Session } from '../../store/store.ts'
import { scopesOfAccount } from '../access/scopes.ts'
import type { Dependencies } from '../dependencies.ts'

export type TokenPair = {
  accessToken: string
  refreshToken: string
  expiresInSeconds: number
  refreshExpiresInSeconds: number
  sessionId: string
}

type Deps = Pick<Dependencies, 'clock' | 'accessTokens' | 'refreshTokens'>

/** Issues an access token and the current refresh token of a session. */
export async function issueTokenPair(
  { clock, accessTokens, refreshTokens }: Deps,
  account: Account,
  session: Session,
): Promise<TokenPair> {
  const nowMs = clock.now().getTime()
  const { token, expiresAt } = await accessTokens.issue({
    subject: account.id,
    sessionId: session.id,
    scopes: scopesOfAccount(account),
    role: account.role === 'admin' ? 'admin' : 'user',
    notAfter: session.expiresAt,
  })
  return {
    accessToken: token,
    refreshToken: refreshTokens.mint(session.id, session.refreshCounter),
    expiresInSeconds: secondsUntil(expiresAt, nowMs),
    refreshExpiresInSeconds: secondsUntil(session.expiresAt, nowMs),
    sessionId: session.id,
  }
}

/** Rounded up, so that 15 minutes are 900: verification allows some seconds of clock leeway. */
function secondsUntil(end: Date, nowMs: number): number {
  return Math.max(0, Math.ceil((end.getTime() - nowMs) / 1000))
}
