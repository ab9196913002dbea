import { describe, expect, test } from 'vitest'
import { newSigningKeysText, parseSigningKeys } from '../../src/ports/keys/signing-keys.ts'
import {
  SCOPES,
  SESSION,
  SUBJECT,
  TTL,
  clock,
  codeOf,
  createTokens,
  forge,
  forgeRaw,
  issue,
  keysText,
  validClaims,
  validHeader,
  seconds,
  foreignKeys,
  tokens,
} from './access-tokens.given.ts'

describe('an access token', () => {
  test('has the account, the session, the scopes and the role', async () => {
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

  test('has exactly the header and claims of the contract', async () => {
    const [header, payload] = (await issue())
      .split('.')
      .slice(0, 2)
      .map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()) as object)

    expect(header).toEqual(validHeader())
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

  test('differs from every other token', async () => {
    expect(await issue()).not.toBe(await issue())
  })

  test('may have no scopes and no role', async () => {
    const { token } = await tokens.issue({ subject: SUBJECT, sessionId: SESSION, scopes: [] })

    expect(await tokens.verify(token)).toMatchObject({ scopes: [], role: undefined })
  })

  test('is accepted when the test signs it with valid claims', async () => {
    expect(await codeOf(await forge({}))).toBe('accepted')
    expect(await codeOf(forgeRaw(JSON.stringify(validClaims())))).toBe('accepted')
  })

  test('of a retiring key is still accepted', async () => {
    const [next] = (JSON.parse(await newSigningKeysText()) as { keys: object[] }).keys
    const [current] = (JSON.parse(keysText) as { keys: object[] }).keys
    const rotated = await parseSigningKeys(JSON.stringify({ keys: [next, current] }), 'keys.json')
    const token = await issue()

    const rotatedTokens = createTokens(rotated)

    expect(await codeOf(token, rotatedTokens)).toBe('accepted')
    expect(await codeOf(await issue(rotatedTokens), rotatedTokens)).toBe('accepted')
  })
})

describe('the lifetime of an access token', () => {
  test.each(['verified before', 'never verified'])(
    'ends after the TTL and 5 s of leeway: %s',
    async (history) => {
      const token = await issue()
      if (history === 'verified before') await tokens.verify(token)
      await clock.advance((TTL + 4) * 1000 + 999)
      expect(await codeOf(token)).toBe('accepted')

      await clock.advance(1)
      expect(await codeOf(token)).toBe('token-expired')
      expect(await codeOf(token)).toBe('token-expired')
    },
  )

  test('cannot begin later than the leeway allows', async () => {
    expect(await codeOf(await forge({ iat: seconds() + 5 }))).toBe('accepted')
    expect(await codeOf(await forge({ iat: seconds() + 7 }))).toBe('token-invalid')
  })

  test('does not exceed the present TTL for any exp', async () => {
    const token = await forge({ exp: seconds() + 10 * 365 * 86_400 })
    expect((await tokens.verify(token)).expiresAt.getTime()).toBe((seconds() + TTL) * 1000)

    await clock.advance((TTL + 6) * 1000)
    expect(await codeOf(token)).toBe('token-expired')
  })

  test('does not matter for a token of a foreign key, which is invalid and not expired', async () => {
    const token = await forge({ exp: seconds() - 60 }, {}, foreignKeys.signing.privateKey)

    expect(await codeOf(token)).toBe('token-invalid')
  })
})
