import type { Scope } from '../../../generated/api.ts'

/** Who calls, as the credential says; no database is asked for it. */
export type Principal = {
  /** The account's id: what it owns carries it. */
  id: string
  role: 'user' | 'admin' | 'service'
  scopes: readonly Scope[]
  /** The session that the access token belongs to; absent for an API key. */
  sessionId?: string
  /** The key that was shown; absent for a person. */
  apiKeyId?: string
}

/** A person who is logged in. */
export type SessionPrincipal = Principal & { sessionId: string }
