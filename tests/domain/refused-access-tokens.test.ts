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
  validClaims,
  validHeader,
  seconds,
  server,
  foreignKeys,
  tokens,
} from './access-tokens.given.ts'

describe('an access token', () => {
  test.each<[string, Record<string, unknown>]>([
    ['no exp', { exp: undefined }],
    ['a textual exp', { exp: '9999999999' }],
    ['a fractional exp', { exp: 9_999_999_999.5 }],
    ['no iat', { iat: undefined }],
    ['no sub', { sub: undefined }],
    ['a numeric sub', { sub: 42 }],
    ['a sub that is not a UUID', { sub: 'admin' }],
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
    ['an issuer with an additional slash', { iss: `${server.issuer}/` }],
    ['no audience', { aud: undefined }],
    ['another audience', { aud: 'https://evil.test' }],
    ['an nbf in the future', { nbf: 9_999_999_999 }],
  ])('is refused with %s', async (_what, claims) => {
    expect(await codeOf(await forge(claims))).toBe('token-invalid')
  })

  test.each<[string, Record<string, unknown>]>([
    ['no type', { typ: undefined }],
    ['the type of an identity token', { typ: 'JWT' }],
    ['no kid', { kid: undefined }],
    ['an unknown kid', { kid: 'nobody' }],
    ['a foreign kid', { kid: foreignKeys.signing.kid }],
    ['a kid that names a member of Object', { kid: '__proto__' }],
  ])('is refused with %s in its header', async (_what, header) => {
    expect(await codeOf(await forge({}, header))).toBe('token-invalid')
  })

  test('of an unknown key is expired only with the issuer of the server and an exp in the past', async () => {
    const expired = { iat: seconds() - TTL - 6, exp: seconds() - 6 }
    const header = { kid: 'nobody' }

    expect(await codeOf(await forge(expired, header))).toBe('token-expired')
    expect(await codeOf(await forge({ ...expired, exp: seconds() - 4 }, header))).toBe(
      'token-invalid',
    )
    expect(await codeOf(await forge({ ...expired, iss: 'other' }, header))).toBe('token-invalid')
    expect(await codeOf(await forge({ ...expired, exp: 'soon' }, header))).toBe('token-invalid')
    for (const payload of ['[]', '{', 'null']) {
      const junk = `${encode(JSON.stringify({ ...validHeader(), ...header }))}.${encode(payload)}`
      expect(await codeOf(`${junk}.${'A'.repeat(86)}`)).toBe('token-invalid')
    }
  })

  test('is refused with an exp beyond any date', async () => {
    const claims = JSON.stringify({ ...validClaims(), exp: 'EXP' })

    for (const exp of ['1e999', '1e300', '-1e300', 'null', 'true', '[]', '9007199254740993']) {
      expect(await codeOf(forgeRaw(claims.replace('"EXP"', exp)))).not.toBe('accepted')
    }
  })

  test.each(['[]', 'null', '42', '"text"', '', '{', '{"sub":'])(
    'is refused with a payload that is not an object: %j',
    async (payload) => {
      expect(await codeOf(forgeRaw(payload))).toBe('token-invalid')
    },
  )

  test('is refused without a signature', async () => {
    expect(await codeOf(new UnsecuredJWT(validClaims()).encode())).toBe('token-invalid')

    const none = encode(JSON.stringify({ ...validHeader(), alg: 'none' }))
    const [, payload, signature] = (await issue()).split('.')
    expect(await codeOf(`${none}.${payload}.`)).toBe('token-invalid')
    expect(await codeOf(`${none}.${payload}.${signature}`)).toBe('token-invalid')
  })

  test('is refused with an HMAC of the public key', async () => {
    const [jwk] = keys.publicJwks().keys
    const input = [{ ...validHeader(), alg: 'HS256' }, validClaims()]
      .map((part) => encode(JSON.stringify(part)))
      .join('.')

    for (const secret of [JSON.stringify(jwk), jwk!.x!, Buffer.from(jwk!.x!, 'base64url')]) {
      const mac = createHmac('sha256', secret).update(input).digest()
      expect(await codeOf(`${input}.${mac.toString('base64url')}`)).toBe('token-invalid')
      const long = Buffer.concat([mac, mac]).toString('base64url')
      expect(await codeOf(`${input}.${long}`)).toBe('token-invalid')
    }
  })

  test('is refused with a key of its own in its header', async () => {
    const { privateKey } = foreignKeys.signing
    const [jwk] = foreignKeys.publicJwks().keys

    for (const kid of [keys.signing.kid, foreignKeys.signing.kid]) {
      for (const member of [
        { jwk },
        { jku: 'https://evil.test/jwks' },
        { x5u: 'https://evil.test' },
      ]) {
        expect(await codeOf(await forge({}, { kid, ...member }, privateKey))).toBe('token-invalid')
      }
    }
  })

  test('is refused with an unknown critical extension', async () => {
    const header = { ...validHeader(), crit: ['urn:x'], 'urn:x': true }
    const token = await new SignJWT(validClaims())
      .setProtectedHeader(header)
      .sign(keys.signing.privateKey, { crit: { 'urn:x': true } })

    expect(await codeOf(token)).toBe('token-invalid')
  })

  test('is refused with another algorithm under a known kid', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const token = await new SignJWT(validClaims())
      .setProtectedHeader({ ...validHeader(), alg: 'ES256' })
      .sign(privateKey)

    expect(await codeOf(token)).toBe('token-invalid')
  })

  test('is refused in any other spelling', async () => {
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

  test('cannot be an empty text or another kind of secret', async () => {
    const refresh = new RefreshTokens(Buffer.alloc(32)).mint(SESSION, 0)
    const { privateKey } = generateKeyPairSync('ed25519')
    const jwk = JSON.stringify(await exportJWK(privateKey))

    for (const text of [refresh, '', '.', '..', 'parley_live_abc', jwk]) {
      expect(await codeOf(text)).toBe('token-invalid')
    }
  })

  test('is refused when it is longer than 4 kB', async () => {
    const long = await forge({ scope: 'x'.repeat(4096) })

    expect(await codeOf(long)).toBe('token-invalid')
    expect(await codeOf('a'.repeat(100_000))).toBe('token-invalid')
  })

  test('is refused after a change of any character, also when the original was verified before', async () => {
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

  test('is refused with any forged header, and with no other error', async () => {
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
