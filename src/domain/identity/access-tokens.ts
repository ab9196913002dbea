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

/** An access token is not accepted. The only failure of `verify` that a caller can cause. */
export class TokenRejected extends Error {
  override readonly name = 'TokenRejected'
  readonly code: 'token-expired' | 'token-invalid'

  constructor(code: 'token-expired' | 'token-invalid', options?: ErrorOptions) {
    super(`The access token is refused: ${code}.`, options)
    this.code = code
  }
}

export interface AccessTokensOptions {
  keys: SigningKeys
  clock: Clock
  issuer: string
  audience: string
  ttlSeconds: number
  /** Makes each `jti`. Default: a random UUID. */
  newTokenId?: () => string
}

/** What an access token is issued for. */
export interface AccessGrant {
  /** A user's UUID. */
  subject: string
  /** A session's UUID. */
  sessionId: string
  scopes: readonly string[]
  role?: AccessRole
  /** The session's end: no token outlives it. */
  notAfter?: Date
}

/**
 * Claims that were verified, and the key that verified them: they are cached as long as it is
 * valid.
 */
type VerifiedToken = { readonly claims: AccessClaims; readonly kid: string }

/**
 * Signed, short-lived access tokens (RFC 9068). A token is verified once and then cached by its
 * SHA-256, for as long as it and its key are valid.
 */
export class AccessTokens {
  readonly #options: AccessTokensOptions
  readonly #verified = new LRUCache<string, VerifiedToken>({ max: CACHED_TOKENS })

  constructor(options: AccessTokensOptions) {
    this.#options = options
  }

  /** Returns a token that is valid for at most `ttlSeconds` from the current whole second. */
  async issue(grant: AccessGrant): Promise<{ token: string; expiresAt: Date }> {
    const { keys, clock, issuer, audience, ttlSeconds, newTokenId = randomUUID } = this.#options
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

  /**
   * Returns the claims of a token that this server issued and that has not expired. Whether its
   * session was revoked is for the caller to check, by the session id: never by the token's text,
   * which has several spellings.
   * @throws TokenRejected
   */
  async verify(token: string): Promise<AccessClaims> {
    // Refused unread: hashing or parsing 100 kB is work that an attacker could ask for.
    if (token.length > LONGEST_TOKEN) throw new TokenRejected('token-invalid')
    const digest = hash('sha256', token, 'base64')
    const cached = this.#verified.get(digest)
    if (cached && this.#options.keys.findVerifying(cached.kid)) return this.#unexpired(cached)
    const { payload, protectedHeader } = await this.#verifySignature(token)
    const claims = readAccessClaims(payload, this.#options.ttlSeconds)
    if (!claims) throw new TokenRejected('token-invalid')
    this.#verified.set(digest, { claims, kid: protectedHeader.kid! })
    return claims
  }

  #unexpired({ claims }: VerifiedToken): AccessClaims {
    const endMs = claims.expiresAt.getTime() + LEEWAY_SECONDS * 1000
    if (this.#options.clock.now().getTime() < endMs) return claims
    throw new TokenRejected('token-expired')
  }

  async #verifySignature(token: string) {
    const { issuer, audience, ttlSeconds, clock } = this.#options
    requireCompact(token)
    try {
      return await jwtVerify(token, ({ kid }) => this.#verifyingKey(token, kid), {
        algorithms: [SIGNING_ALGORITHM],
        typ: TYPE,
        issuer,
        audience,
        requiredClaims: REQUIRED_CLAIMS,
        maxTokenAge: ttlSeconds,
        clockTolerance: LEEWAY_SECONDS,
        currentDate: clock.now(),
      })
    } catch (error) {
      if (error instanceof errors.JWTExpired) throw new TokenRejected('token-expired')
      if (error instanceof errors.JOSEError) throw new TokenRejected('token-invalid')
      throw error
    }
  }

  /** Found by `kid` alone: a header's `jwk`, `jku` and `x5c` are ignored (RFC 8725 3.10). */
  async #verifyingKey(token: string, kid: unknown) {
    if (typeof kid !== 'string') throw new TokenRejected('token-invalid')
    const { keys } = this.#options
    const key = keys.findVerifying(kid) ?? (await findNewKey(keys, kid))
    if (key) return key
    throw new TokenRejected(this.#claimsToHaveExpired(token) ? 'token-expired' : 'token-invalid')
  }

  /**
   * Whether a token of an unknown key has expired by its own claim. The claim is unverified and
   * grants nothing: it only tells a client that returns after a key rotation to refresh, not to log
   * in again.
   */
  #claimsToHaveExpired(token: string): boolean {
    const { clock, issuer } = this.#options
    const { iss, exp } = decodeJwt(token)
    if (iss !== issuer || typeof exp !== 'number') return false
    return clock.now().getTime() >= (exp + LEEWAY_SECONDS) * 1000
  }
}

/** The 86th character carries four spare bits, so that one signature could be spelt in 16 ways. */
function requireCompact(token: string): void {
  const signature = COMPACT.exec(token)?.[1]
  if (signature && Buffer.from(signature, 'base64url').toString('base64url') === signature) return
  throw new TokenRejected('token-invalid')
}

/** Another instance may sign with a key that this one has not read yet. */
async function findNewKey(keys: SigningKeys, kid: string) {
  await keys.lookAgain()
  return keys.findVerifying(kid)
}
