import type { Scope } from '../../../generated/api.ts'

/** The caller as its credential describes it; no database is queried for it. */
export type Principal = {
  /** The account's id: what it owns carries it. */
  id: string
  role: 'user' | 'admin' | 'service'
  scopes: readonly Scope[]
  /** The session of the access token; absent for an API key. */
  sessionId?: string
  /** The API key; absent for an access token. */
  apiKeyId?: string
}

/** A user who is logged in. */
export type SessionPrincipal = Principal & { sessionId: string }
