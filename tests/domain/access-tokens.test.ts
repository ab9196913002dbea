import { createHmac, randomUUID, sign as signBytes, generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { exportJWK, SignJWT, UnsecuredJWT, type CryptoKey, type JWTPayload } from 'jose'
import { beforeEach, describe, expect, test } from 'vitest'
import { AccessTokens, TokenRejected } from '../../src/domain/identity/access-tokens.ts'
import { RefreshTokens } from '../../src/domain/identity/refresh-tokens.ts'
import { newSigningKeysText, parseSigningKeys } from '../../src/ports/keys/signing-keys.ts'
import { TestClock } from '../support/clock/clock.ts'

const TTL = 900
const SCOPES = ['profile:read', 'chat:write']
const SUBJECT = randomUUID()
const SESSION = randomUUID()

const keysText = await newSigningKeysText()
const keys = await parseSigningKeys(keysText, 'keys.json')
const strangers = await parseSigningKeys(await newSigningKeysText(), 'others.json')
const server = { issuer: 'https://parley.test', audience: 'https://parley.test/api' }

let clock: TestClock
let tokens: AccessTokens

beforeEach(() => {
  clock = new TestClock()
  tokens = new AccessTokens({ keys, clock, ttlSeconds: TTL, ...server })
})

const issue = async () => {
  const grant = { subject: SUBJECT, sessionId: SESSION, scopes: SCOPES, role: 'user' as const }
  return (await tokens.issue(grant)).token
}

async function codeOf(token: string): Promise<string> {
  try {
    await tokens.verify(token)
  } catch (error) {
    if (error instanceof TokenRejected) return error.code
    throw error
  }
  return 'accepted'
}

const seconds = () => Math.floor(clock.now().getTime() / 1000)

const rightClaims = (): JWTPayload => ({
  iss: server.issuer,
  aud: server.audience,
  sub: SUBJECT,
  sid: SESSION,
  jti: randomUUID(),
  scope: SCOPES.join(' '),
  iat: seconds(),
  exp: seconds() + TTL,
})

const rightHeader = () => ({ alg: 'EdDSA', typ: 'at+jwt', kid: keys.signing.kid })

/** A token signed with our own key: only the claims or the header decide. */
function forge(
  claims: Record<string, unknown>,
  header: Record<string, unknown> = {},
  key: CryptoKey = keys.signing.privateKey,
): Promise<string> {
  return new SignJWT({ ...rightClaims(), ...claims })
    .setProtectedHeader({ ...rightHeader(), ...header })
    .sign(key)
}

/** Signs any bytes as a payload, for what a JWT library would refuse to write. */
function forgeRaw(payload: string): string {
  const { d, x } = (JSON.parse(keysText) as { keys: { d: string; x: string }[] }).keys[0]!
  const input = `${encode(JSON.stringify(rightHeader()))}.${encode(payload)}`
  const key = { key: { kty: 'OKP', crv: 'Ed25519', d, x }, format: 'jwk' as const }
  return `${input}.${signBytes(null, Buffer.from(input), key).toString('base64url')}`
}

const encode = (text: string) => Buffer.from(text).toString('base64url')

describe('an access token', () => {
  test('says whose it is, of which session, and what it may', async () => {
    const { token, expiresAt } = await tokens.issue({
      subject: SUBJECT,
      sessionId: SESSION,
      scopes: SCOPES,
      role: 'admin',
    })
    expect(await tokens.verify(token)).toMatchObject({
      subject: SUBJECT,
      sessionId: SESSION,
      scopes: SCOPES,
      role: 'admin',
      issuedAt: clock.now(),
      expiresAt,
    })
    expect(expiresAt.getTime() - clock.now().getTime()).toBe(TTL * 1000)
  })

  test('carries exactly what is promised', async () => {
    const [header, payload] = (await issue())
      .split('.')
      .slice(0, 2)
      .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()) as object)
    expect(header).toEqual(rightHeader())
    expect(Object.keys(payload!).sort()).toEqual([
      'aud',
      'exp',
      'iat',
      'iss',
      'jti',
      'role',
      'scope',
      'sid',
      'sub',
    ])
  })

  test('is never made twice', async () => {
    expect(await issue()).not.toBe(await issue())
  })

  test('may have no scopes and no role', async () => {
    const { token } = await tokens.issue({ subject: SUBJECT, sessionId: SESSION, scopes: [] })
    expect(await tokens.verify(token)).toMatchObject({ scopes: [], role: undefined })
  })

  test('a hand-made one with the right claims is accepted, so the refusals below mean something', async () => {
    expect(await codeOf(await forge({}))).toBe('accepted')
    expect(await codeOf(forgeRaw(JSON.stringify(rightClaims())))).toBe('accepted')
  })

  test('of a key that is being retired still counts', async () => {
    const [next] = (JSON.parse(await newSigningKeysText()) as { keys: object[] }).keys
    const [current] = (JSON.parse(keysText) as { keys: object[] }).keys
    const rotated = await parseSigningKeys(JSON.stringify({ keys: [next, current] }), 'keys.json')
    const token = await issue()
    tokens = new AccessTokens({ keys: rotated, clock, ttlSeconds: TTL, ...server })
    expect(await codeOf(token)).toBe('accepted')
    expect(await codeOf(await issue())).toBe('accepted')
  })
})

describe('time', () => {
  test.each(['seen before', 'never seen'])('ends a token, with 5 s of leeway: %s', async (seen) => {
    const token = await issue()
    if (seen === 'seen before') await tokens.verify(token)
    await clock.advance((TTL + 4) * 1000 + 999)
    expect(await codeOf(token)).toBe('accepted')
    await clock.advance(1)
    expect(await codeOf(token)).toBe('token-expired')
    expect(await codeOf(token)).toBe('token-expired')
  })

  test('a token that was made in the future is invalid, but for the leeway', async () => {
    expect(await codeOf(await forge({ iat: seconds() + 5 }))).toBe('accepted')
    expect(await codeOf(await forge({ iat: seconds() + 7 }))).toBe('token-invalid')
  })

  test('a token lives no longer than tokens now do, whatever it says', async () => {
    const token = await forge({ exp: seconds() + 10 * 365 * 86_400 })
    expect((await tokens.verify(token)).expiresAt.getTime()).toBe((seconds() + TTL) * 1000)
    await clock.advance((TTL + 6) * 1000)
    expect(await codeOf(token)).toBe('token-expired')
  })

  test('an expired token of a stranger is invalid, not expired', async () => {
    const token = await forge({ exp: seconds() - 60 }, {}, strangers.signing.privateKey)
    expect(await codeOf(token)).toBe('token-invalid')
  })
})

describe('a token is refused', () => {
  test.each<[string, Record<string, unknown>]>([
    ['no exp', { exp: undefined }],
    ['a textual exp', { exp: '9999999999' }],
    ['a fractional exp', { exp: 9_999_999_999.5 }],
    ['no iat', { iat: undefined }],
    ['no sub', { sub: undefined }],
    ['a numeric sub', { sub: 42 }],
    ['a sub that is no UUID', { sub: 'admin' }],
    ['a list of subs', { sub: [SUBJECT] }],
    ['no sid', { sid: undefined }],
    ['a sid that is an object', { sid: {} }],
    ['no jti', { jti: undefined }],
    ['a numeric jti', { jti: 1 }],
    ['no scope', { scope: undefined }],
    ['a list of scopes', { scope: SCOPES }],
    ['two spaces between scopes', { scope: 'a  b' }],
    ['an unknown role', { role: 'root' }],
    ['no issuer', { iss: undefined }],
    ['another issuer', { iss: 'https://evil.test' }],
    ['an issuer with a slash more', { iss: `${server.issuer}/` }],
    ['no audience', { aud: undefined }],
    ['another audience', { aud: 'https://evil.test' }],
    ['not before tomorrow', { nbf: 9_999_999_999 }],
  ])('for its claims: %s', async (_what, claims) => {
    expect(await codeOf(await forge(claims))).toBe('token-invalid')
  })

  test.each<[string, Record<string, unknown>]>([
    ['no type', { typ: undefined }],
    ['the type of an identity token', { typ: 'JWT' }],
    ['no kid', { kid: undefined }],
    ['an unknown kid', { kid: 'nobody' }],
    ['the kid of a stranger', { kid: strangers.signing.kid }],
    ['a kid that names a member of Object', { kid: '__proto__' }],
  ])('for its header: %s', async (_what, header) => {
    expect(await codeOf(await forge({}, header))).toBe('token-invalid')
  })

  test('for its key, even if it is over, unless it says that it was ours', async () => {
    const over = { iat: seconds() - TTL - 6, exp: seconds() - 6 }
    const header = { kid: 'nobody' }
    expect(await codeOf(await forge(over, header))).toBe('token-expired')
    expect(await codeOf(await forge({ ...over, exp: seconds() - 4 }, header))).toBe('token-invalid')
    expect(await codeOf(await forge({ ...over, iss: 'other' }, header))).toBe('token-invalid')
    expect(await codeOf(await forge({ ...over, exp: 'soon' }, header))).toBe('token-invalid')
    for (const payload of ['[]', '{', 'null']) {
      const junk = `${encode(JSON.stringify({ ...rightHeader(), ...header }))}.${encode(payload)}`
      expect(await codeOf(`${junk}.${'A'.repeat(86)}`)).toBe('token-invalid')
    }
  })

  test('for an absurd exp that JSON can say and a date cannot', async () => {
    const claims = JSON.stringify({ ...rightClaims(), exp: 'EXP' })
    for (const exp of ['1e999', '1e300', '-1e300', 'null', 'true', '[]', '9007199254740993']) {
      expect(await codeOf(forgeRaw(claims.replace('"EXP"', exp)))).not.toBe('accepted')
    }
  })

  test.each(['[]', 'null', '42', '"text"', '', '{', '{"sub":'])(
    'for a payload that is no object: %j',
    async (payload) => {
      expect(await codeOf(forgeRaw(payload))).toBe('token-invalid')
    },
  )

  test('for not being signed', async () => {
    expect(await codeOf(new UnsecuredJWT(rightClaims()).encode())).toBe('token-invalid')
    const none = encode(JSON.stringify({ ...rightHeader(), alg: 'none' }))
    const [, payload, signature] = (await issue()).split('.')
    expect(await codeOf(`${none}.${payload}.`)).toBe('token-invalid')
    expect(await codeOf(`${none}.${payload}.${signature}`)).toBe('token-invalid')
  })

  test('for being signed by HMAC with the public key', async () => {
    const [jwk] = keys.publicJwks().keys
    const input = [{ ...rightHeader(), alg: 'HS256' }, rightClaims()]
      .map((part) => encode(JSON.stringify(part)))
      .join('.')
    for (const secret of [JSON.stringify(jwk), jwk!.x!, Buffer.from(jwk!.x!, 'base64url')]) {
      const mac = createHmac('sha256', secret).update(input).digest()
      expect(await codeOf(`${input}.${mac.toString('base64url')}`)).toBe('token-invalid')
      const long = Buffer.concat([mac, mac]).toString('base64url')
      expect(await codeOf(`${input}.${long}`)).toBe('token-invalid')
    }
  })

  test('for bringing its own key, in whatever member', async () => {
    const { privateKey } = strangers.signing
    const [jwk] = strangers.publicJwks().keys
    for (const kid of [keys.signing.kid, strangers.signing.kid]) {
      for (const member of [
        { jwk },
        { jku: 'https://evil.test/jwks' },
        { x5u: 'https://evil.test' },
      ]) {
        expect(await codeOf(await forge({}, { kid, ...member }, privateKey))).toBe('token-invalid')
      }
    }
  })

  test('for a critical extension that nobody knows', async () => {
    const header = { ...rightHeader(), crit: ['urn:x'], 'urn:x': true }
    const token = await new SignJWT(rightClaims())
      .setProtectedHeader(header)
      .sign(keys.signing.privateKey, { crit: { 'urn:x': true } })
    expect(await codeOf(token)).toBe('token-invalid')
  })

  test('for another algorithm under our kid', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const token = await new SignJWT(rightClaims())
      .setProtectedHeader({ ...rightHeader(), alg: 'ES256' })
      .sign(privateKey)
    expect(await codeOf(token)).toBe('token-invalid')
  })

  test('for any other spelling of it', async () => {
    const token = await issue()
    const [header, payload, signature] = token.split('.')
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const twins = [...alphabet].map((last) => token.slice(0, -1) + last)
    const spellings = [
      ` ${token}`,
      `${token} `,
      `${token}\n`,
      `${token}=`,
      `${header}=.${payload}.${signature}`,
      `${header}.${payload}\n.${signature}`,
      `${token}.`,
      `.${token}`,
      `${token}.${signature}`,
      `${header}..${signature}`,
      `${header}.${payload}`,
      `Bearer ${token}`,
      encode(token),
      ...twins.filter((twin) => twin !== token),
    ]
    for (const spelling of spellings) expect(await codeOf(spelling)).toBe('token-invalid')
  })

  test('for being another kind of secret, or nothing', async () => {
    const refresh = new RefreshTokens(Buffer.alloc(32)).mint(SESSION, 0)
    const { privateKey } = generateKeyPairSync('ed25519')
    const jwk = JSON.stringify(await exportJWK(privateKey))
    for (const text of [refresh, '', '.', '..', 'parley_live_abc', jwk]) {
      expect(await codeOf(text)).toBe('token-invalid')
    }
  })

  test('unread, if it is longer than 4 kB', async () => {
    const long = await forge({ scope: 'x'.repeat(4096) })
    expect(await codeOf(long)).toBe('token-invalid')
    expect(await codeOf('a'.repeat(100_000))).toBe('token-invalid')
  })

  test('for a change anywhere, even after the right one was seen', async () => {
    const token = await issue()
    await tokens.verify(token)
    const position = fc.integer({ min: 0, max: token.length - 1 })
    await fc.assert(
      fc.asyncProperty(position, fc.string({ minLength: 1, maxLength: 1 }), async (at, letter) => {
        fc.pre(token[at] !== letter)
        const changed = token.slice(0, at) + letter + token.slice(at + 1)
        expect(await codeOf(changed)).toBe('token-invalid')
      }),
    )
  })

  test('whatever header a stranger writes, and never with another error', async () => {
    const [, payload, signature] = (await issue()).split('.')
    const members = fc.dictionary(
      fc.constantFrom('alg', 'typ', 'kid', 'crit', 'b64', 'jwk', 'zip', 'enc', 'x5c'),
      fc.oneof(fc.jsonValue(), fc.constantFrom('EdDSA', 'at+jwt', keys.signing.kid)),
    )
    await fc.assert(
      fc.asyncProperty(members, async (header) => {
        const token = `${encode(JSON.stringify(header))}.${payload}.${signature}`
        expect(await codeOf(token)).toBe('token-invalid')
      }),
    )
  })
})
