import { createHmac, generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { exportJWK, SignJWT, UnsecuredJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import { RefreshTokens } from '../../src/domain/identity/refresh-tokens.ts'
import {
  SCOPES,
  SESSION,
  SUBJECT,
  TTL,
  codeOf,
  encode,
  forge,
  forgeRaw,
  issue,
  keys,
  rightClaims,
  rightHeader,
  seconds,
  server,
  strangers,
  tokens,
} from './access-tokens.given.ts'

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
