import { hash, randomUUID } from 'node:crypto'
import { decodeJwt, errors, jwtVerify, SignJWT } from 'jose'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../../ports/clock/clock.ts'
import { SIGNING_ALGORITHM, type SigningKeys } from '../../ports/keys/signing-keys.ts'
import { readAccessClaims, type AccessClaims, type AccessRole } from './access-claims.ts'

export type { AccessClaims, AccessRole } from './access-claims.ts'

/** RFC 9068 2.1. */
const TYPE = 'at+jwt'
const REQUIRED_CLAIMS = ['sub', 'sid', 'jti', 'scope', 'iat', 'exp']
const LEEWAY_SECONDS = 5
const LONGEST_TOKEN = 4096
const CACHED_TOKENS = 5000

/** Three parts of base64url, the last as long as an Ed25519 signature. */
const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.([A-Za-z0-9_-]{86})$/

/** An access token that opens nothing. The one failure of `verify` that a caller can cause. */
export class TokenRejected extends Error {
  override readonly name = 'TokenRejected'
  readonly code: 'token-expired' | 'token-invalid'

  constructor(code: 'token-expired' | 'token-invalid', options?: ErrorOptions) {
    super(`The access token is refused: ${code}.`, options)
    this.code = code
  }
}

/** Signed, short-lived access tokens (RFC 9068). */
export interface AccessTokens {
  /** A token for a session, good for `ttlSeconds` from the whole second that it is made in, or less. */
  issue(grant: {
    /** A user's UUID. */
    subject: string
    /** A session's UUID. */
    sessionId: string
    scopes: readonly string[]
    role?: AccessRole
    /** The session's end: no token outlives it. */
    notAfter?: Date
  }): Promise<{ token: string; expiresAt: Date }>
  /**
   * What a token says, if it is ours and in time. Whether its session still lives is for the
   * caller to ask, by the session id: never by the token's text, which has several spellings.
   * @throws TokenRejected
   */
  verify(token: string): Promise<AccessClaims>
}

/** What access tokens are made of. */
export interface AccessTokensOptions {
  keys: SigningKeys
  clock: Clock
  issuer: string
  audience: string
  ttlSeconds: number
  /** Where `jti` comes from. */
  newTokenId?: () => string
}

/** Tokens are verified once, and then known by their SHA-256 for as long as they and their key live. */
export function createAccessTokens(options: AccessTokensOptions): AccessTokens {
  const { clock, keys, ttlSeconds } = options
  const verified = new LRUCache<string, Verified>({ max: CACHED_TOKENS })
  return {
    issue: (grant) => sign(options, grant),
    async verify(token) {
      // Refused unread: hashing or parsing 100 kB is work that an attacker could ask for.
      if (token.length > LONGEST_TOKEN) throw new TokenRejected('token-invalid')
      const digest = hash('sha256', token, 'base64')
      const known = verified.get(digest)
      if (known && keys.findVerifying(known.kid)) return liveClaims(known, clock)
      const { payload, protectedHeader } = await verifySignature(options, token)
      const claims = readAccessClaims(payload, ttlSeconds)
      if (!claims) throw new TokenRejected('token-invalid')
      verified.set(digest, { claims, kid: protectedHeader.kid! })
      return claims
    },
  }
}

/** What was verified, and by which key: it counts no longer than that one does. */
type Verified = { readonly claims: AccessClaims; readonly kid: string }

async function sign(
  { keys, clock, issuer, audience, ttlSeconds, newTokenId = randomUUID }: AccessTokensOptions,
  grant: Parameters<AccessTokens['issue']>[0],
): Promise<{ token: string; expiresAt: Date }> {
  const issuedAt = Math.floor(clock.now().getTime() / 1000)
  const end = Math.floor((grant.notAfter?.getTime() ?? Infinity) / 1000)
  const expiresAt = Math.min(issuedAt + ttlSeconds, end)
  const { kid, privateKey } = keys.signing
  const token = await new SignJWT({
    sid: grant.sessionId,
    scope: grant.scopes.join(' '),
    ...(grant.role && { role: grant.role }),
  })
    .setProtectedHeader({ alg: SIGNING_ALGORITHM, typ: TYPE, kid })
    .setIssuer(issuer)
    .setAudience(audience)
    .setSubject(grant.subject)
    .setJti(newTokenId())
    .setIssuedAt(issuedAt)
    .setExpirationTime(expiresAt)
    .sign(privateKey)
  return { token, expiresAt: new Date(expiresAt * 1000) }
}

async function verifySignature(options: AccessTokensOptions, token: string) {
  assertCompact(token)
  try {
    return await jwtVerify(token, ({ kid }) => verifyingKey(options, token, kid), {
      algorithms: [SIGNING_ALGORITHM],
      typ: TYPE,
      issuer: options.issuer,
      audience: options.audience,
      requiredClaims: REQUIRED_CLAIMS,
      maxTokenAge: options.ttlSeconds,
      clockTolerance: LEEWAY_SECONDS,
      currentDate: options.clock.now(),
    })
  } catch (error) {
    if (error instanceof errors.JWTExpired) throw new TokenRejected('token-expired')
    if (error instanceof errors.JOSEError) throw new TokenRejected('token-invalid')
    throw error
  }
}

/** The 86th character carries four spare bits, so that one signature could be spelt 16 ways. */
function assertCompact(token: string): void {
  const signature = COMPACT.exec(token)?.[1]
  if (signature && Buffer.from(signature, 'base64url').toString('base64url') === signature) return
  throw new TokenRejected('token-invalid')
}

/** Ours by its `kid` alone: `jwk`, `jku` and `x5c` of a header are never looked at (RFC 8725 3.10). */
async function verifyingKey(options: AccessTokensOptions, token: string, kid: unknown) {
  if (typeof kid !== 'string') throw new TokenRejected('token-invalid')
  const key = options.keys.findVerifying(kid) ?? (await findNewKey(options.keys, kid))
  if (key) return key
  throw new TokenRejected(hasEnded(options, token) ? 'token-expired' : 'token-invalid')
}

/** Another instance may sign with a key that has not been read here yet. */
async function findNewKey(keys: SigningKeys, kid: string) {
  await keys.lookAgain()
  return keys.findVerifying(kid)
}

/**
 * Whether a token of an unknown key is over by its own word. Nothing is believed that could open
 * anything: it only tells whoever comes back after a rotation to refresh, not to log in again.
 */
function hasEnded({ clock, issuer }: AccessTokensOptions, token: string): boolean {
  const { iss, exp } = decodeJwt(token)
  if (iss !== issuer || typeof exp !== 'number') return false
  return clock.now().getTime() >= (exp + LEEWAY_SECONDS) * 1000
}

function liveClaims({ claims }: Verified, clock: Clock): AccessClaims {
  const endsAtMs = claims.expiresAt.getTime() + LEEWAY_SECONDS * 1000
  if (clock.now().getTime() < endsAtMs) return claims
  throw new TokenRejected('token-expired')
}
