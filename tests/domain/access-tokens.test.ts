import { describe, expect, test } from 'vitest'
import { AccessTokens } from '../../src/domain/identity/access-tokens.ts'
import { newSigningKeysText, parseSigningKeys } from '../../src/ports/keys/signing-keys.ts'
import {
  SCOPES,
  SESSION,
  SUBJECT,
  TTL,
  clock,
  codeOf,
  forge,
  forgeRaw,
  issue,
  keysText,
  rightClaims,
  rightHeader,
  seconds,
  server,
  setTokens,
  strangers,
  tokens,
} from './access-tokens.given.ts'

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

    setTokens(new AccessTokens({ keys: rotated, clock, ttlSeconds: TTL, ...server }))

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
