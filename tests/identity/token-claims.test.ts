import { describe, expect, test } from 'vitest'
import { SECOND_MS } from '../support/clock/jumping-clock.ts'
import {
  type Members,
  TTL_SECONDS,
  requestWithToken,
  clock,
  expectRefused,
  expectTokenRefused,
  forge,
  forgeWith,
  validHeader,
  nowSeconds,
  server,
  signText,
} from './tokens.given.ts'

describe('a token with invalid claims, signed with the key of the server', () => {
  test.each(['iss', 'aud', 'sub', 'sid', 'jti', 'scope', 'iat', 'exp'])(
    'is refused when %s is missing or has a value that makes no sense',
    async (claim) => {
      for (const value of [undefined, null, [], {}, true, '', -0.5]) {
        // A token without any scope is well-formed.
        if (claim === 'scope' && value === '') continue
        const answer = await requestWithToken(forge({ [claim]: value }))
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
    ['an unknown role', { role: 'root' }],
    ['a role that is a list', { role: ['admin'] }],
    ['a list of scopes', { scope: ['profile:read'] }],
    ['scopes on two lines', { scope: 'profile:read\nchat:write' }],
  ])('is refused with %s', async (_, claims) => {
    await expectTokenRefused(forge(claims))
  })

  test.each(['[]', 'null', '42', '"text"', '', '{', '{"sub":'])(
    'is refused with %j instead of an object',
    async (payload) => {
      await expectTokenRefused(signText(payload, validHeader()))
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
  ])('is refused as invalid when %s is %s', async (claim, json) => {
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
  ])('is refused as expired when %s is %s', async (claim, json) => {
    await expectTokenRefused(forgeWith(claim, json), 'token-expired')
  })

  test('expires with the lifetime of tokens, even if its exp is ten years later', async () => {
    const token = forge({ exp: nowSeconds() + 10 * 365 * 86_400 })
    expect((await requestWithToken(token)).status).toBe(200)

    clock.jump(TTL_SECONDS * SECOND_MS + 5 * SECOND_MS)

    await expectTokenRefused(token, 'token-expired')
  })

  test('is refused when its session has ended, even if it is new', async () => {
    const bob = await server.createUser()
    const sub = (await bob.expect(200, 'getProfile')).body.id
    const sid = bob.identity.sessionId
    const another = forge({ sub, sid })
    expect((await requestWithToken(another)).status).toBe(200)

    await bob.expect(204, 'logOut', { body: { scope: 'current' } })

    await expectTokenRefused(bob.identity.accessToken)
    await expectTokenRefused(another)
    await expectTokenRefused(forge({ sub, sid }))
  })
})
