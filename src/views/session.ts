import type {
  Session as SessionSchema,
  SessionPage,
  TokenPair as TokenPairSchema,
} from '../../generated/api.ts'
import type { Page } from '../domain/lists/paging.ts'
import type { TokenPair } from '../domain/identity/token-pairs.ts'
import type { Session } from '../store/store.ts'
import { timestampView } from './timestamp.ts'

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

/** @param currentId the session of the caller */
export function sessionView(session: Session, currentId: string): SessionSchema {
  return {
    id: session.id,
    createdAt: timestampView(session.createdAt),
    lastUsedAt: timestampView(session.lastUsedAt),
    expiresAt: timestampView(session.expiresAt),
    address: session.address,
    userAgent: session.userAgent,
    current: session.id === currentId,
  }
}

export function sessionPageView(page: Page<Session>, currentId: string): SessionPage {
  const { data, nextCursor } = page
  return {
    data: data.map((session) => sessionView(session, currentId)),
    ...(nextCursor !== undefined && { nextCursor }),
  }
}
