import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { describe, expect, test } from 'vitest'
import { DAY_MS, MINUTE_MS, SECOND_MS } from '../support/clock/jumping-clock.ts'
import { clock, refresh, refusedRefresh, server, testStore } from './auth.given.ts'

const REUSE_GRACE_MS = 30 * SECOND_MS

describe('an access token', () => {
  test('can be verified with the published keys and names its user, session and scopes', async () => {
    const alice = await server.createUser()
    const response = await fetch(`${server.url}/.well-known/jwks.json`)

    const jwks = (await response.json()) as JSONWebKeySet

    expect(jwks.keys.every((key) => !('d' in key))).toBe(true)

    const { payload, protectedHeader } = await jwtVerify(
      alice.identity.accessToken,
      createLocalJWKSet(jwks),
      { algorithms: ['EdDSA'], typ: 'at+jwt', currentDate: clock.now() },
    )
    const profile = (await alice.expect(200, 'getProfile')).body
    expect(payload).toMatchObject({ sub: profile.id, sid: alice.identity.sessionId })
    expect(payload['scope']).toBe(profile.scopes.join(' '))
    expect(payload.exp! - payload.iat!).toBe(900)
    expect(protectedHeader.kid).toBe(jwks.keys[0]!.kid)
  })

  test('expires after 15 minutes, and a refresh returns a working one', async () => {
    const alice = await server.createUser()
    clock.jump(15 * MINUTE_MS + 6 * SECOND_MS)

    const { headers } = await alice.refused('token-expired', 'getProfile')

    expect(headers['www-authenticate']).toContain('error="invalid_token"')

    await alice.with(await refresh(alice.identity.refreshToken)).expect(200, 'getProfile')
  })

  test('is refused when it was changed', async () => {
    const alice = await server.createUser()
    const [head = '', payload = '', signature = ''] = alice.identity.accessToken.split('.')
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as object
    const asAdmin = Buffer.from(JSON.stringify({ ...claims, role: 'admin' })).toString('base64url')
    const none = Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')

    for (const accessToken of [
      [head, asAdmin, signature].join('.'),
      [none, payload, ''].join('.'),
      [none, payload, signature].join('.'),
      alice.identity.refreshToken,
    ]) {
      await alice.with({ ...alice.identity, accessToken }).refused('token-invalid', 'getProfile')
    }
  })
})

describe('POST /auth/refresh', () => {
  test('returns a new pair of tokens for the same session', async () => {
    const alice = await server.createUser()
    const first = alice.identity

    const second = await refresh(first.refreshToken)

    expect(second.refreshToken).not.toBe(first.refreshToken)
    expect(second.sessionId).toBe(first.sessionId)

    await alice.with(second).expect(200, 'getProfile')
  })

  test('returns the same refresh token again within 30 seconds, because a response may be lost', async () => {
    const alice = await server.createUser()
    const { refreshToken } = alice.identity

    const second = await refresh(refreshToken)
    clock.jump(REUSE_GRACE_MS)

    expect((await refresh(refreshToken)).refreshToken).toBe(second.refreshToken)

    await refresh(second.refreshToken)
  })

  test('treats a later reuse as theft and revokes the session with its access tokens', async () => {
    const alice = await server.createUser()
    const second = await refresh(alice.identity.refreshToken)

    clock.jump(REUSE_GRACE_MS + 1)
    await refusedRefresh('refresh-token-reused', alice.identity.refreshToken)

    await refusedRefresh('token-invalid', second.refreshToken)
    await alice.with(second).refused('token-invalid', 'getProfile')
    await alice.refused('token-invalid', 'getProfile')
    const { email } = alice.identity
    const row = await testStore.database.prisma.session.findFirst({ where: { account: { email } } })
    expect(row?.revokedAt).not.toBeNull()
  })

  test('treats the reuse of the token before the last as theft immediately', async () => {
    const alice = await server.createUser()
    const second = await refresh(alice.identity.refreshToken)
    const third = await refresh(second.refreshToken)

    await refusedRefresh('refresh-token-reused', alice.identity.refreshToken)
    await alice.with(third).refused('token-invalid', 'getProfile')
  })

  test('returns one refresh token to twenty concurrent calls, and all their access tokens work', async () => {
    const alice = await server.createUser()
    const { refreshToken } = alice.identity

    const pairs = await Promise.all(Array.from({ length: 20 }, () => refresh(refreshToken)))

    expect(new Set(pairs.map((pair) => pair.refreshToken)).size).toBe(1)

    for (const pair of pairs) await alice.with(pair).expect(200, 'getProfile')
    await refresh(pairs[0]!.refreshToken)
  })

  test('extends the session by 7 days, at most to 30 days after the login, access tokens included', async () => {
    const alice = await server.createUser()
    let { refreshToken } = alice.identity
    const daysLeft: number[] = []

    for (let days = 6; days <= 24; days += 6) {
      clock.jump(6 * DAY_MS)
      const pair = await refresh(refreshToken)
      daysLeft.push(pair.refreshExpiresIn / 86_400)
      ;({ refreshToken } = pair)
    }

    expect(daysLeft).toEqual([7, 7, 7, 6])

    clock.jump(6 * DAY_MS - SECOND_MS)
    const last = await refresh(refreshToken)
    expect(last.refreshExpiresIn).toBe(1)
    expect(last.expiresIn).toBeLessThanOrEqual(1)

    clock.jump(SECOND_MS)
    await refusedRefresh('token-expired', last.refreshToken)
  })

  test('refuses a token that was not used for 7 days', async () => {
    const { refreshToken } = (await server.createUser()).identity
    clock.jump(7 * DAY_MS)

    const { headers } = await refusedRefresh('token-expired', refreshToken)

    expect(headers['www-authenticate']).toContain('error="invalid_token"')
  })

  test.each([
    'junk',
    'parley_refresh_',
    `parley_refresh_${'A'.repeat(75)}`,
    'parley_refresh_'.padEnd(500, 'x'),
  ])('refuses %s, which is not a token', async (junk) => {
    await refusedRefresh('token-invalid', junk)
  })

  test('refuses an access token and a refresh token with a changed signature', async () => {
    const { accessToken, refreshToken } = (await server.createUser()).identity

    await refusedRefresh('token-invalid', accessToken.slice(0, 500))

    const last = refreshToken.at(-1) === 'A' ? 'B' : 'A'
    await refusedRefresh('token-invalid', refreshToken.slice(0, -1) + last)

    await refresh(refreshToken)
  })
})
