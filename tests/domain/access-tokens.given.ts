import { randomUUID, sign as signBytes } from 'node:crypto'
import { SignJWT, type CryptoKey, type JWTPayload } from 'jose'
import { beforeEach } from 'vitest'
import { AccessTokens, TokenRejected } from '../../src/domain/identity/access-tokens.ts'
import { newSigningKeysText, parseSigningKeys } from '../../src/ports/keys/signing-keys.ts'
import { TestClock } from '../support/clock/clock.ts'

export const TTL = 900

export const SCOPES = ['profile:read', 'chat:write']

export const SUBJECT = randomUUID()

export const SESSION = randomUUID()

export const keysText = await newSigningKeysText()

export const keys = await parseSigningKeys(keysText, 'keys.json')

export const foreignKeys = await parseSigningKeys(await newSigningKeysText(), 'others.json')

export const server = { issuer: 'https://parley.test', audience: 'https://parley.test/api' }

/** Set before each test. */
export let clock: TestClock

/** The tokens under test, on {@link clock}; set before each test. */
export let tokens: AccessTokens

beforeEach(() => {
  clock = new TestClock()
  tokens = createTokens()
})

/** Access tokens of the server with these keys. */
export const createTokens = (serverKeys = keys) =>
  new AccessTokens({ keys: serverKeys, clock, ttlSeconds: TTL, ...server })

export const issue = async (issuer = tokens) => {
  const grant = { subject: SUBJECT, sessionId: SESSION, scopes: SCOPES, role: 'user' as const }
  return (await issuer.issue(grant)).token
}

/** The code with which the token is rejected, or `accepted`. */
export async function codeOf(token: string, verifier = tokens): Promise<string> {
  try {
    await verifier.verify(token)
  } catch (error) {
    if (error instanceof TokenRejected) return error.code
    throw error
  }
  return 'accepted'
}

/** The time of the clock in seconds. */
export const seconds = () => Math.floor(clock.now().getTime() / 1000)

export const validClaims = (): JWTPayload => ({
  iss: server.issuer,
  aud: server.audience,
  sub: SUBJECT,
  sid: SESSION,
  jti: randomUUID(),
  scope: SCOPES.join(' '),
  iat: seconds(),
  exp: seconds() + TTL,
})

export const validHeader = () => ({ alg: 'EdDSA', typ: 'at+jwt', kid: keys.signing.kid })

/** A token that the server's own key signed: it is valid but for these claims and this header. */
export function forge(
  claims: Record<string, unknown>,
  header: Record<string, unknown> = {},
  key: CryptoKey = keys.signing.privateKey,
): Promise<string> {
  return new SignJWT({ ...validClaims(), ...claims })
    .setProtectedHeader({ ...validHeader(), ...header })
    .sign(key)
}

/** Signs any text as a payload, which a JWT library refuses. */
export function forgeRaw(payload: string): string {
  const { d, x } = (JSON.parse(keysText) as { keys: { d: string; x: string }[] }).keys[0]!
  const input = `${encode(JSON.stringify(validHeader()))}.${encode(payload)}`
  const key = { key: { kty: 'OKP', crv: 'Ed25519', d, x }, format: 'jwk' as const }
  return `${input}.${signBytes(null, Buffer.from(input), key).toString('base64url')}`
}

export const encode = (text: string) => Buffer.from(text).toString('base64url')
