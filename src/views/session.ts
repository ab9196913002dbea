import type { TokenPair as TokenPairSchema } from '../../generated/api.ts'
import type { TokenPair } from '../domain/sessions.ts'

export function tokenPairView(pair: TokenPair): TokenPairSchema {
  return {
    accessToken: pair.accessToken,
    refreshToken: pair.refreshToken,
    tokenType: 'Bearer',
    expiresIn: pair.expiresInSeconds,
    refreshExpiresIn: pair.refreshExpiresInSeconds,
    sessionId: pair.sessionId,
  }
}
