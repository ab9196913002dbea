import { describe, expect, test } from 'vitest'
import { SECOND_MS } from '../support/clock/jumping-clock.ts'
import {
  type Members,
  TTL,
  bearer,
  clock,
  expectRefused,
  expectTokenRefused,
  forge,
  forgeWith,
  rightHeader,
  seconds,
  server,
  signText,
} from './tokens.given.ts'

describe('claims that are not ours, though our key signed them', () => {
  test.each(['iss', 'aud', 'sub', 'sid', 'jti', 'scope', 'iat', 'exp'])(
    'are refused: no %s, or null, a list, an object or a number that makes no sense in its place',
    async (claim) => {
      for (const value of [undefined, null, [], {}, true, '', -0.5]) {
        // A token without any scope is well-formed.
        if (claim === 'scope' && value === '') continue
        const answer = await bearer(forge({ [claim]: value }))
        const { code } = answer.problem()
        expectRefused(answer, code === 'token-expired' ? code : 'token-invalid')
        // Only a time that lies in the past has expired.
        if (value !== -0.5) expect(code).toBe('token-invalid')
      }
    },
  )

  test.each<[string, Members]>([
    ['another issuer', { iss: 'https://evil.test' }],
    ['an issuer in capitals', { iss: 'Parley' }],
    ['a list of issuers with ours', { iss: ['parley'] }],
    ['another audience', { aud: 'https://evil.test' }],
    ['a list of other audiences', { aud: ['parley', 'parley-api/'] }],
    ['a numeric subject', { sub: 42 }],
    ['a list of subjects', { sub: ['0199b3a4-9b2c-7f3e-8a41-5d2f9c7b6a10'] }],
    ['a subject that is no id', { sub: 'admin' }],
    ['a subject that is SQL', { sub: "' OR 1=1 --" }],
    ['a role that nobody has', { role: 'root' }],
    ['a role that is a list', { role: ['admin'] }],
    ['a list of scopes', { scope: ['profile:read'] }],
    ['scopes on two lines', { scope: 'profile:read\nchat:write' }],
  ])('are refused: %s', async (_, claims) => {
    await expectTokenRefused(forge(claims))
  })

  test.each(['[]', 'null', '42', '"text"', '', '{', '{"sub":'])(
    'are refused: %j in the place of an object',
    async (payload) => {
      await expectTokenRefused(signText(payload, rightHeader()))
    },
  )

  test.each([
    ['exp', '1e308'],
    ['exp', '1e999'],
    ['exp', '"9999999999"'],
    ['exp', '9999999999.5'],
    ['exp', '9007199254740993'],
    ['nbf', '9999999999'],
    ['nbf', '"0"'],
    ['nbf', '1e308'],
    ['iat', '9999999999'],
    ['iat', '1e308'],
    ['iat', '"0"'],
  ])('are refused as invalid: %s of %s', async (claim, json) => {
    await expectTokenRefused(forgeWith(claim, json))
  })

  test.each([
    ['exp', '0'],
    ['exp', '-1'],
    ['exp', '-1e308'],
    ['exp', '1e-308'],
    ['iat', '0'],
    ['iat', '-1'],
    ['iat', '-1e308'],
  ])('are refused as expired: %s of %s', async (claim, json) => {
    await expectTokenRefused(forgeWith(claim, json), 'token-expired')
  })

  test('buy no time: a token for ten years ends when tokens end', async () => {
    const token = forge({ exp: seconds() + 10 * 365 * 86_400 })
    expect((await bearer(token)).status).toBe(200)

    clock.jump(TTL * SECOND_MS + 5 * SECOND_MS)
    await expectTokenRefused(token, 'token-expired')
  })

  test('do not bring an ended session back, whichever of its tokens is shown', async () => {
    const bob = await server.createUser()
    const sub = (await bob.expect(200, 'getProfile')).body.id
    const sid = bob.identity.sessionId
    const another = forge({ sub, sid })
    expect((await bearer(another)).status).toBe(200)

    await bob.expect(204, 'logOut', { body: { scope: 'current' } })
    await expectTokenRefused(bob.identity.accessToken)
    await expectTokenRefused(another)
    await expectTokenRefused(forge({ sub, sid }))
  })
})
