import { describe, expect, test } from 'vitest'
import { MINUTE_MS } from '../support/clock/jumping-clock.ts'
import { send } from '../support/wire/wire.ts'
import {
  alice,
  ask,
  bearer,
  clock,
  encode,
  expectRefused,
  expectTokenRefused,
  forge,
  server,
  subject,
} from './tokens.given.ts'

describe('another spelling', () => {
  test('of the same signature is refused, and the right one goes on', async () => {
    const token = forge({})
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const last = Buffer.from(token.split('.')[2]!, 'base64url')
    const twins = [...alphabet]
      .map((letter) => token.slice(0, -1) + letter)
      .filter((twin) => twin !== token)
      .filter((twin) => Buffer.from(twin.split('.')[2]!, 'base64url').equals(last))

    expect(twins).toHaveLength(15)
    for (const twin of twins) await expectTokenRefused(twin)
    expect((await bearer(token)).status).toBe(200)
    for (const twin of twins) await expectTokenRefused(twin)
  })

  test('of the token is refused: parts more or fewer, padding, base64, white space, encodings', async () => {
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

describe('another secret of the same person', () => {
  test('is no access token: a refresh token, an email and password, the ids in clear', async () => {
    const { email, password, refreshToken, sessionId } = alice.identity

    for (const secret of [refreshToken, sessionId, subject, encode(`${email}:${password}`)]) {
      await expectTokenRefused(secret)
    }
  })

  test('is looked for in one place: not in the address, a cookie or another header', async () => {
    const token = forge({})
    const places = [
      `Cookie: access_token=${token}`,
      `Proxy-Authorization: Bearer ${token}`,
      `X-Authorization: Bearer ${token}`,
    ]
    for (const line of places) {
      const answer = await ask([line])
      expect([answer.status, answer.problem().code]).toEqual([401, 'unauthenticated'])
      expect(answer.headers['www-authenticate']).toBe('Bearer realm="parley"')
    }

    const answer = await send(`${alice.urlOf('getProfile')}?access_token=${token}`)

    expect([answer.status, answer.problem().code]).toEqual([401, 'unauthenticated'])
    expect(answer.text).not.toContain(token)
  })
})

describe('the header', () => {
  test.each<[string, (token: string) => string]>([
    ['nothing', () => ''],
    ['Bearer alone', () => 'Bearer'],
    ['Bearer and a space', () => 'Bearer '],
    ['the token alone', (token) => token],
    ['Basic with the token', (token) => `Basic ${token}`],
    ['Basic with a password', () => `Basic ${encode('ada@example.com:a password of mine')}`],
    ['Digest', () => 'Digest username="ada", nonce="x", response="y"'],
    ['a tab for a space', (token) => `Bearer\t${token}`],
    ['a space and a tab', (token) => `Bearer \t${token}`],
    ['no space', (token) => `Bearer${token}`],
    ['a colon', (token) => `Bearer: ${token}`],
    ['an equals sign', (token) => `Bearer=${token}`],
    ['Bearer twice', (token) => `Bearer Bearer ${token}`],
    ['two tokens', (token) => `Bearer ${token} ${token}`],
    ['two tokens and a comma', (token) => `Bearer ${token}, Bearer ${token}`],
    ['two tokens and a bare comma', (token) => `Bearer ${token},${token}`],
    ['a parameter', (token) => `Bearer ${token}; charset=utf-8`],
    ['a named token', (token) => `Bearer token="${token}"`],
    ['a wide letter in the scheme', (token) => `B\u00e9arer ${token}`],
  ])('that holds %s is refused', async (_, valueOf) => {
    expectRefused(await ask([`Authorization: ${valueOf(forge({}))}`]))
  })

  test('may write the scheme in any case, and have white space around its value (RFC 9110 5.5)', async () => {
    const token = forge({})
    const values = [`bearer ${token}`, `BEARER  ${token}`, `  Bearer ${token} \t`]

    for (const value of values) expect((await ask([`Authorization:${value}`])).status).toBe(200)
  })

  test('twice is nobody’s credential, whichever of the two is right', async () => {
    const [junk, right] = ['Authorization: Bearer junk', `Authorization: Bearer ${forge({})}`]
    const basic = 'Authorization: Basic YWRhOmFkYQ=='
    const both = [junk, basic, 'Authorization:'].flatMap((other) => [
      [other, right],
      [right, other],
    ])
    for (const lines of both) {
      const answer = await ask(lines)
      expect([answer.status, answer.problem().code]).toEqual([401, 'token-invalid'])
      expect(answer.headers['www-authenticate']).toContain('error="invalid_token"')
      expect(answer.problem().detail).toBe('Send exactly one credential.')
    }
  })

  test('that goes on in the next line, or holds a control character, is never a failure of ours', async () => {
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
      const answer = await ask(lines)
      expect([400, 401]).toContain(answer.status)
      expect(['invalid-request', 'token-invalid']).toContain(answer.problem().code)
    }
  })

  test('that is long is 401 as long as it can be read, and 431 beyond 16 kB', async () => {
    for (const length of [4_097, 8_000, 15_000]) {
      expectRefused(await bearer('a'.repeat(length)))
      expectRefused(await bearer(`${encode('{}')}.${'a'.repeat(length)}.${'A'.repeat(86)}`))
    }

    for (const length of [16_384, 100_000]) {
      const answer = await bearer('a'.repeat(length))
      expect([answer.status, answer.problem().code]).toEqual([431, 'headers-too-large'])
    }
    const many = Array.from({ length: 200 }, (_, i) => `X-Junk-${i}: ${'a'.repeat(100)}`)
    const answer = await ask([`Authorization: Bearer ${forge({})}`, ...many])
    expect([answer.status, answer.problem().code]).toEqual([431, 'headers-too-large'])
  })

  test('with a long claim is refused, though our key signed it: no token of ours is that long', async () => {
    await expectTokenRefused(forge({ scope: 'x'.repeat(4_096) }))
  })

  test('is not looked at where no credential is needed: a stale one does not keep anyone out', async () => {
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
