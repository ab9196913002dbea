import { describe, expect, test } from 'vitest'
import { MINUTE_MS } from '../support/clock/jumping-clock.ts'
import { send } from '../support/wire/wire.ts'
import {
  alice,
  requestProfile,
  requestWithToken,
  clock,
  encode,
  expectRefused,
  expectTokenRefused,
  forge,
  server,
  subject,
} from './tokens.given.ts'

describe('another spelling of a valid access token', () => {
  test('is refused when it decodes to the same signature, before and after the valid one was used', async () => {
    const token = forge({})
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const last = Buffer.from(token.split('.')[2]!, 'base64url')
    const twins = [...alphabet]
      .map((letter) => token.slice(0, -1) + letter)
      .filter((twin) => twin !== token)
      .filter((twin) => Buffer.from(twin.split('.')[2]!, 'base64url').equals(last))

    expect(twins).toHaveLength(15)

    for (const twin of twins) await expectTokenRefused(twin)
    expect((await requestWithToken(token)).status).toBe(200)
    for (const twin of twins) await expectTokenRefused(twin)
  })

  test('is refused: other parts, padding, base64, white space, encodings', async () => {
    const token = forge({})
    const [header = '', payload = '', signature = ''] = token.split('.')
    const base64 = Buffer.from(signature, 'base64url').toString('base64')
    const spellings = [
      `${token}.`,
      `.${token}`,
      `${token}.${signature}`,
      `${header}.${payload}`,
      `${header}..${signature}`,
      `.${payload}.${signature}`,
      `${header}.${payload}.`,
      `${token}=`,
      `${token}==`,
      `${header}=.${payload}=.${signature}`,
      `${header}.${payload}.${base64}`,
      `${header} .${payload}.${signature}`,
      `${header}.\t${payload}.${signature}`,
      `${header}.${payload}.\u00a0${signature}`,
      `\u00ef\u00bb\u00bf${token}`,
      encodeURIComponent(token).replaceAll('.', '%2E'),
      `"${token}"`,
      `<${token}>`,
      encode(token),
      token.toLowerCase(),
      token.toUpperCase(),
      [...token].reverse().join(''),
      `${token}\u00ff`,
    ]

    for (const spelling of spellings) await expectTokenRefused(spelling)
  })
})

describe('another secret of the user', () => {
  test('is refused as an access token: a refresh token, ids, email and password', async () => {
    const { email, password, refreshToken, sessionId } = alice.identity

    for (const secret of [refreshToken, sessionId, subject, encode(`${email}:${password}`)]) {
      await expectTokenRefused(secret)
    }
  })
})

describe('a valid access token', () => {
  test('is ignored in a cookie, another header or the query', async () => {
    const token = forge({})
    const places = [
      `Cookie: access_token=${token}`,
      `Proxy-Authorization: Bearer ${token}`,
      `X-Authorization: Bearer ${token}`,
    ]

    for (const line of places) {
      const response = await requestProfile([line])
      expect([response.status, response.problem().code]).toEqual([401, 'unauthenticated'])
      expect(response.headers['www-authenticate']).toBe('Bearer realm="parley"')
    }

    const response = await send(`${alice.urlOf('getProfile')}?access_token=${token}`)
    expect([response.status, response.problem().code]).toEqual([401, 'unauthenticated'])
    expect(response.text).not.toContain(token)
  })
})

describe('the Authorization header', () => {
  test.each<[string, (token: string) => string]>([
    ['an empty value', () => ''],
    ['Bearer alone', () => 'Bearer'],
    ['Bearer and a space', () => 'Bearer '],
    ['the token alone', (token) => token],
    ['Basic with the token', (token) => `Basic ${token}`],
    ['Basic with a password', () => `Basic ${encode('ada@example.com:a password of mine')}`],
    ['Digest', () => 'Digest username="ada", nonce="x", response="y"'],
    ['a tab instead of a space', (token) => `Bearer\t${token}`],
    ['a space and a tab', (token) => `Bearer \t${token}`],
    ['no space after Bearer', (token) => `Bearer${token}`],
    ['a colon after Bearer', (token) => `Bearer: ${token}`],
    ['an equals sign after Bearer', (token) => `Bearer=${token}`],
    ['Bearer twice', (token) => `Bearer Bearer ${token}`],
    ['two tokens', (token) => `Bearer ${token} ${token}`],
    ['two credentials with a comma', (token) => `Bearer ${token}, Bearer ${token}`],
    ['two tokens with a comma', (token) => `Bearer ${token},${token}`],
    ['a parameter after the token', (token) => `Bearer ${token}; charset=utf-8`],
    ['the token as a parameter', (token) => `Bearer token="${token}"`],
    ['a wide letter in the scheme', (token) => `B\u00e9arer ${token}`],
  ])('is refused with %s', async (_, valueOf) => {
    expectRefused(await requestProfile([`Authorization: ${valueOf(forge({}))}`]))
  })

  test('accepts the scheme in any case, and white space around the value (RFC 9110 5.5)', async () => {
    const token = forge({})
    const values = [`bearer ${token}`, `BEARER  ${token}`, `  Bearer ${token} \t`]

    for (const value of values)
      expect((await requestProfile([`Authorization:${value}`])).status).toBe(200)
  })

  test('is refused when it occurs twice, whichever of the two is valid', async () => {
    const [junk, right] = ['Authorization: Bearer junk', `Authorization: Bearer ${forge({})}`]
    const basic = 'Authorization: Basic YWRhOmFkYQ=='
    const both = [junk, basic, 'Authorization:'].flatMap((other) => [
      [other, right],
      [right, other],
    ])

    for (const lines of both) {
      const response = await requestProfile(lines)
      expect([response.status, response.problem().code]).toEqual([401, 'token-invalid'])
      expect(response.headers['www-authenticate']).toContain('error="invalid_token"')
      expect(response.problem().detail).toBe('Send exactly one credential.')
    }
  })

  test('is refused with 400 or 401 when it continues on the next line or holds a control character', async () => {
    const token = forge({})
    const odd = [
      [`Authorization: Bearer`, ` ${token}`],
      [`Authorization: Bearer ${token}`, ' junk'],
      [`Authorization: Bearer ${token}\u0000`],
      [`Authorization: Bearer ${token}\u0001`],
      [`Authorization: Bearer ${token}\u007f`],
      [`Authorization: Bearer ${token}\nX: y`],
      [`Authorization : Bearer ${token}`],
    ]

    for (const lines of odd) {
      const response = await requestProfile(lines)
      expect([400, 401]).toContain(response.status)
      expect(['invalid-request', 'token-invalid']).toContain(response.problem().code)
    }
  })

  test('is refused with 401 when it is long, and with 431 beyond 16 kB', async () => {
    for (const length of [4_097, 8_000, 15_000]) {
      expectRefused(await requestWithToken('a'.repeat(length)))
      expectRefused(
        await requestWithToken(`${encode('{}')}.${'a'.repeat(length)}.${'A'.repeat(86)}`),
      )
    }

    for (const length of [16_384, 100_000]) {
      const response = await requestWithToken('a'.repeat(length))
      expect([response.status, response.problem().code]).toEqual([431, 'headers-too-large'])
    }
    const many = Array.from({ length: 200 }, (_, i) => `X-Junk-${i}: ${'a'.repeat(100)}`)
    const response = await requestProfile([`Authorization: Bearer ${forge({})}`, ...many])
    expect([response.status, response.problem().code]).toEqual([431, 'headers-too-large'])
  })

  test('is refused with a claim of 4 kB, even if the server’s key signed it', async () => {
    await expectTokenRefused(forge({ scope: 'x'.repeat(4_096) }))
  })

  test('is ignored by operations that need no credential', async () => {
    const bob = await server.createUser()
    const { email, password, refreshToken } = bob.identity
    clock.jump(16 * MINUTE_MS)

    for (const authorization of [bob.credentials['Authorization']!, 'Bearer junk', 'Basic x']) {
      const headers = { Authorization: authorization }
      await server.anonymous.expect(200, 'refreshTokens', { headers, body: { refreshToken } })
      await server.anonymous.expect(200, 'logIn', { headers, body: { email, password } })
    }
  })
})
