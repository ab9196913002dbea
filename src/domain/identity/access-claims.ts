import type { JWTPayload } from 'jose'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** RFC 6749 3.3: scope tokens, separated by one space. */
const SCOPE = /^(?:[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*)?$/

/** The roles of users; a service account has no access token. */
export type AccessRole = 'user' | 'admin'

/** The claims of a verified access token. */
export interface AccessClaims {
  readonly subject: string
  readonly sessionId: string
  readonly tokenId: string
  readonly scopes: readonly string[]
  readonly role: AccessRole | undefined
  readonly issuedAt: Date
  /** The token's `exp`, or earlier if the configured lifetime was shortened since. */
  readonly expiresAt: Date
}

/** The claims of a verified payload, or undefined if one of them is malformed. */
export function readAccessClaims(
  payload: JWTPayload,
  ttlSeconds: number,
): AccessClaims | undefined {
  const { sub, sid, jti, scope, role, iat, exp } = payload
  if (!isUuid(sub) || !isUuid(sid) || !isTokenId(jti)) return undefined
  if (!isScope(scope) || !isRole(role)) return undefined
  if (!isWholeSeconds(iat) || !isWholeSeconds(exp)) return undefined
  return Object.freeze({
    subject: sub,
    sessionId: sid,
    tokenId: jti,
    scopes: Object.freeze(scope === '' ? [] : scope.split(' ')),
    role,
    issuedAt: new Date(iat * 1000),
    expiresAt: new Date(Math.min(exp, iat + ttlSeconds) * 1000),
  })
}

function isUuid(value: unknown): value is string {
  return typeof value === 'string' && UUID.test(value)
}

function isTokenId(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= 128
}

function isScope(value: unknown): value is string {
  return typeof value === 'string' && SCOPE.test(value)
}

function isRole(value: unknown): value is AccessRole | undefined {
  return value === undefined || value === 'user' || value === 'admin'
}

function isWholeSeconds(value: unknown): value is number {
  return Number.isSafeInteger(value)
}
