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

export const strangers = await parseSigningKeys(await newSigningKeysText(), 'others.json')

export const server = { issuer: 'https://parley.test', audience: 'https://parley.test/api' }

export let clock: TestClock

export let tokens: AccessTokens

beforeEach(() => {
  clock = new TestClock()
  tokens = new AccessTokens({ keys, clock, ttlSeconds: TTL, ...server })
})

export const issue = async () => {
  const grant = { subject: SUBJECT, sessionId: SESSION, scopes: SCOPES, role: 'user' as const }
  return (await tokens.issue(grant)).token
}

export async function codeOf(token: string): Promise<string> {
  try {
    await tokens.verify(token)
  } catch (error) {
    if (error instanceof TokenRejected) return error.code
    throw error
  }
  return 'accepted'
}

export const seconds = () => Math.floor(clock.now().getTime() / 1000)

export const rightClaims = (): JWTPayload => ({
  iss: server.issuer,
  aud: server.audience,
  sub: SUBJECT,
  sid: SESSION,
  jti: randomUUID(),
  scope: SCOPES.join(' '),
  iat: seconds(),
  exp: seconds() + TTL,
})

export const rightHeader = () => ({ alg: 'EdDSA', typ: 'at+jwt', kid: keys.signing.kid })

/** A token signed with our own key: only the claims or the header decide. */
export function forge(
  claims: Record<string, unknown>,
  header: Record<string, unknown> = {},
  key: CryptoKey = keys.signing.privateKey,
): Promise<string> {
  return new SignJWT({ ...rightClaims(), ...claims })
    .setProtectedHeader({ ...rightHeader(), ...header })
    .sign(key)
}

/** Signs any bytes as a payload, for what a JWT library would refuse to write. */
export function forgeRaw(payload: string): string {
  const { d, x } = (JSON.parse(keysText) as { keys: { d: string; x: string }[] }).keys[0]!
  const input = `${encode(JSON.stringify(rightHeader()))}.${encode(payload)}`
  const key = { key: { kty: 'OKP', crv: 'Ed25519', d, x }, format: 'jwk' as const }
  return `${input}.${signBytes(null, Buffer.from(input), key).toString('base64url')}`
}

export const encode = (text: string) => Buffer.from(text).toString('base64url')

export function setTokens(value: AccessTokens): void {
  tokens = value
}
