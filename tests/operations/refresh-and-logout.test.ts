import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { describe, expect, test } from 'vitest'
import type { Client } from '../support/client.ts'
import { DAY_MS, MINUTE_MS, SECOND_MS } from '../support/clock/jumping-clock.ts'
import { startServer } from '../support/server.ts'
import { clock, logIn, refresh, refusedRefresh, server, testStore } from './auth.given.ts'

const REUSE_GRACE_MS = 30 * SECOND_MS

/** The same user in a session of its own. */
async function anotherSession({ identity, with: withTokens }: Client): Promise<Client> {
  const { email, password } = identity
  const { body } = await server.anonymous.expect(200, 'logIn', { body: { email, password } })
  return withTokens(body)
}

describe('an access token', () => {
  test('is verified by the published keys and says who it is for', async () => {
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

  test('expires after 15 minutes, and the next pair works', async () => {
    const alice = await server.createUser()
    clock.jump(15 * MINUTE_MS + 6 * SECOND_MS)
    const { headers } = await alice.refused('token-expired', 'getProfile')
    expect(headers['www-authenticate']).toContain('error="invalid_token"')

    await alice.with(await refresh(alice.identity.refreshToken)).expect(200, 'getProfile')
  })

  test('that was tampered with is refused', async () => {
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
  test('answers the next pair and ends the token before it', async () => {
    const alice = await server.createUser()
    const first = alice.identity
    const second = await refresh(first.refreshToken)
    expect(second.refreshToken).not.toBe(first.refreshToken)
    expect(second.sessionId).toBe(first.sessionId)

    await alice.with(second).expect(200, 'getProfile')
  })

  test('gives the same successor again for 30 seconds, for an answer may be lost', async () => {
    const alice = await server.createUser()
    const { refreshToken } = alice.identity
    const second = await refresh(refreshToken)
    clock.jump(REUSE_GRACE_MS)
    expect((await refresh(refreshToken)).refreshToken).toBe(second.refreshToken)

    await refresh(second.refreshToken)
  })

  test('takes later use of an old token for theft: the session ends, its access token too', async () => {
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

  test('takes the parent of a used parent for theft even at once', async () => {
    const alice = await server.createUser()
    const second = await refresh(alice.identity.refreshToken)
    const third = await refresh(second.refreshToken)
    await refusedRefresh('refresh-token-reused', alice.identity.refreshToken)
    await alice.with(third).refused('token-invalid', 'getProfile')
  })

  test('twenty at once of one token end in one live pair, and nobody is logged out', async () => {
    const alice = await server.createUser()
    const { refreshToken } = alice.identity
    const pairs = await Promise.all(Array.from({ length: 20 }, () => refresh(refreshToken)))
    expect(new Set(pairs.map((pair) => pair.refreshToken)).size).toBe(1)

    for (const pair of pairs) await alice.with(pair).expect(200, 'getProfile')
    await refresh(pairs[0]!.refreshToken)
  })

  test('slides the session by 7 days, and never beyond 30 days after the login, access token included', async () => {
    const alice = await server.createUser()
    let { refreshToken } = alice.identity
    const left: number[] = []
    for (let days = 6; days <= 24; days += 6) {
      clock.jump(6 * DAY_MS)
      const pair = await refresh(refreshToken)
      left.push(pair.refreshExpiresIn / 86_400)
      ;({ refreshToken } = pair)
    }
    expect(left).toEqual([7, 7, 7, 6])

    clock.jump(6 * DAY_MS - SECOND_MS)
    const last = await refresh(refreshToken)
    expect(last.refreshExpiresIn).toBe(1)
    expect(last.expiresIn).toBeLessThanOrEqual(1)

    clock.jump(SECOND_MS)
    await refusedRefresh('token-expired', last.refreshToken)
  })

  test('is over after 7 days without one', async () => {
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
  ])('refuses %s, which is no token', async (junk) => {
    await refusedRefresh('token-invalid', junk)
  })

  test('refuses an access token and a token of another make', async () => {
    const { accessToken, refreshToken } = (await server.createUser()).identity
    await refusedRefresh('token-invalid', accessToken.slice(0, 500))
    const last = refreshToken.at(-1) === 'A' ? 'B' : 'A'
    await refusedRefresh('token-invalid', refreshToken.slice(0, -1) + last)
    await refresh(refreshToken)
  })
})

describe('logging out', () => {
  test('ends the current session at once, and no other', async () => {
    const alice = await server.createUser()
    const elsewhere = await anotherSession(alice)
    await alice.expect(204, 'logOut', { body: { scope: 'current' } })
    await alice.refused('token-invalid', 'getProfile')
    await refusedRefresh('token-invalid', alice.identity.refreshToken)
    await elsewhere.expect(200, 'getProfile')
  })

  test('ends all others, and not the one that asked', async () => {
    const alice = await server.createUser()
    const others = [await anotherSession(alice), await anotherSession(alice)]
    const bob = await server.createUser()
    await alice.expect(204, 'logOut', { body: { scope: 'others' } })
    for (const other of others) {
      await other.refused('token-invalid', 'getProfile')
      await refusedRefresh('token-invalid', other.identity.refreshToken)
    }
    await alice.expect(200, 'getProfile')
    await bob.expect(200, 'getProfile')
  })

  test('ends all of them', async () => {
    const alice = await server.createUser()
    const other = await anotherSession(alice)
    await alice.expect(204, 'logOut', { body: { scope: 'all' } })
    await alice.refused('token-invalid', 'getProfile')
    await other.refused('token-invalid', 'getProfile')
  })

  test('again with a token that was logged out is refused', async () => {
    const alice = await server.createUser()
    await alice.expect(204, 'logOut', { body: { scope: 'current' } })
    await alice.refused('token-invalid', 'logOut', { body: { scope: 'current' } })
    await alice.refused('token-invalid', 'logOutByLink')
  })

  test('by GET works, and announces its end', async () => {
    const alice = await server.createUser()
    const { headers } = await alice.expect(204, 'logOutByLink')
    expect(headers).toMatchObject({
      deprecation: '@1795392000',
      sunset: 'Tue, 30 Nov 2027 00:00:00 GMT',
      'cache-control': 'no-store',
    })
    expect(headers['link']).toContain('rel="deprecation"')

    const refused = await alice.refused('token-invalid', 'getProfile')
    expect(refused.headers).not.toHaveProperty('deprecation')
  })

  test('is known to another instance within seconds, and to one that starts later', async () => {
    const second = await startServer({ testStore, clock })
    const alice = await server.createUser()
    await fetch(`${second.url}/api/v1/users/profile`, { headers: alice.credentials })
    await alice.expect(204, 'logOut', { body: { scope: 'current' } })
    await second.parley.services.revocations.feed.refresh()
    const third = await startServer({ testStore, clock })
    for (const { url } of [second, third]) {
      const response = await fetch(`${url}/api/v1/users/profile`, { headers: alice.credentials })
      expect(response.status).toBe(401)
    }
    await second.close()
    await third.close()
  })

  test('in the middle of a refresh leaves no live session behind', async () => {
    const alice = await server.createUser()
    const { refreshToken } = alice.identity
    const [raced] = await Promise.all([
      server.anonymous.call('refreshTokens', { body: { refreshToken } }),
      alice.expect(204, 'logOut', { body: { scope: 'current' } }),
    ])
    if (raced.status !== 200) return
    await alice.with(raced.body).refused('token-invalid', 'getProfile')
    await refusedRefresh('token-invalid', raced.body.refreshToken)
  })
})

test('nothing of a password or a token is logged, whatever becomes of it', async () => {
  const alice = await server.createUser()
  const { email, password, accessToken, refreshToken } = alice.identity
  await logIn(email, password)
  await logIn(password, password)
  await alice.refused('invalid-request', 'logIn', { body: { email, password, extra: 1 } as never })
  await refresh(refreshToken)

  await alice.expect(200, 'getProfile')
  const log = JSON.stringify(server.logLines())

  for (const secret of [password, accessToken, refreshToken]) expect(log).not.toContain(secret)
})
