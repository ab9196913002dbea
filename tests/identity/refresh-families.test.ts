import { describe, expect, test } from 'vitest'
import { createClient, type Tokens } from '../support/client.ts'
import { DAY_MS, SECOND_MS } from '../support/clock/jumping-clock.ts'
import {
  CONCURRENCY,
  REUSE_GRACE_MS,
  openSession,
  tryToRefresh,
  clock,
  expectInvalid,
  expectValid,
  concurrently,
  refresh,
  expectRefused,
  server,
  withServer,
} from './refresh-families.given.ts'

describe('twenty concurrent refreshes with one token', () => {
  test('get the same pair, generation after generation', async () => {
    const alice = await server.createUser()
    let tokens: Tokens = alice.identity

    for (let generation = 0; generation < 3; generation += 1) {
      const { refreshToken } = tokens
      const pairs = await concurrently(() => refresh(refreshToken))
      expect(new Set(pairs.map((pair) => pair.refreshToken)).size).toBe(1)
      expect(new Set(pairs.map((pair) => pair.sessionId))).toEqual(new Set([tokens.sessionId]))
      for (const pair of pairs) await alice.with(pair).expect(200, 'getProfile')
      tokens = pairs[0]!
    }

    await expectValid(tokens)
    expect((await alice.expect(200, 'listSessions')).body.data).toHaveLength(1)
  })

  test('get the same pair from two instances', async () => {
    await withServer(async (other) => {
      const alice = await server.createUser()
      const { refreshToken } = alice.identity
      const pairs = await concurrently((i) => refresh(refreshToken, i % 2 === 0 ? server : other))
      expect(new Set(pairs.map((pair) => pair.refreshToken)).size).toBe(1)
      await expectValid(pairs[0]!, other)
    })
  })

  test('get the same pair in the last moment in which the first response is repeated', async () => {
    const alice = await server.createUser()
    const { refreshToken } = alice.identity
    const first = await refresh(refreshToken)
    clock.jump(REUSE_GRACE_MS)

    const pairs = await concurrently(() => refresh(refreshToken))

    expect(new Set(pairs.map((pair) => pair.refreshToken))).toEqual(new Set([first.refreshToken]))
    await expectValid(first)
  })
})

describe('twenty sessions of one user', () => {
  test('stay separate when all of them are refreshed concurrently', async () => {
    const alice = await server.createUser()
    const families = await concurrently(() => openSession(alice))
    let pairs: Tokens[] = families.map(({ identity }) => identity)

    for (let generation = 0; generation < 3; generation += 1) {
      pairs = await Promise.all(pairs.map(({ refreshToken }) => refresh(refreshToken)))
      const ids = pairs.map(({ sessionId }) => sessionId)
      expect(ids).toEqual(families.map(({ identity }) => identity.sessionId))
    }

    expect(new Set(pairs.map(({ refreshToken }) => refreshToken)).size).toBe(CONCURRENCY)
    for (const pair of pairs) await expectValid(pair)
  })
})

describe('a refresh token composed of the tokens of two sessions', () => {
  test('is invalid and ends neither of them', async () => {
    const alice = await server.createUser()
    const bob = await server.createUser()
    const [a, b] = [alice.identity.refreshToken, bob.identity.refreshToken]

    for (const at of [45, 60, 75, 85])
      await expectRefused('token-invalid', a.slice(0, at) + b.slice(at))

    await expectValid(alice.identity)
    await expectValid(bob.identity)
  })
})

describe('a session', () => {
  test('survives its own change of password, which ends every other session of the user', async () => {
    const alice = await server.createUser()
    const [elsewhere, older] = [await openSession(alice), await openSession(alice)]
    const newest = await refresh(older.identity.refreshToken)
    const body = { currentPassword: alice.identity.password, newPassword: 'quite another horse' }

    await alice.expect(204, 'changePassword', { body })

    await expectInvalid(elsewhere.identity)
    await expectInvalid(older.identity)
    await expectInvalid(newest)
    await expectValid(alice.identity)
  })

  test('ends with a change of password in another session, even if it is refreshed concurrently', async () => {
    const alice = await server.createUser()
    const thief = await openSession(alice)
    const body = { currentPassword: alice.identity.password, newPassword: 'quite another horse' }

    const [raced] = await Promise.all([
      tryToRefresh(thief.identity.refreshToken),
      alice.expect(204, 'changePassword', { body }),
    ])

    if (raced.status === 200) await expectInvalid(raced.body)
    await expectInvalid(thief.identity)
  })

  test('is extended by 7 days with each refresh, and expires 30 days after its login', async () => {
    const alice = await server.createUser()
    let tokens: Tokens = alice.identity
    const refreshAfterFiveDays = async () => {
      clock.jump(5 * DAY_MS)
      tokens = await refresh(tokens.refreshToken)
    }

    for (let i = 0; i < 5; i += 1) await refreshAfterFiveDays()
    clock.jump(5 * DAY_MS - 10 * SECOND_MS)
    tokens = await refresh(tokens.refreshToken)
    await alice.with(tokens).expect(200, 'getProfile')

    clock.jump(10 * SECOND_MS)

    await expectRefused('token-expired', tokens.refreshToken)
    // Access tokens have a leeway for clocks that differ.
    clock.jump(5 * SECOND_MS)
    await alice.with(tokens).refused('token-expired', 'getProfile')
    await withServer(async (restarted) => {
      await expectRefused('token-expired', tokens.refreshToken, restarted)
    })
  })

  test('expires 7 days after its last refresh, and not a moment earlier', async () => {
    const [unused, refreshed] = [
      (await server.createUser()).identity,
      (await server.createUser()).identity,
    ]
    clock.jump(7 * DAY_MS - 1)
    const next = await refresh(refreshed.refreshToken)
    clock.jump(1)

    await expectRefused('token-expired', unused.refreshToken)
    await expectValid(next)
  })
})

describe('an installation with another SERVER_SECRET', () => {
  test('accepts no refresh token or password of this one, although it shares keys and accounts', async () => {
    const alice = await server.createUser()
    const body = { email: 'admin@example.com', password: 'the admin of the tests' }

    await withServer(async (other) => {
      await expectRefused('token-invalid', alice.identity.refreshToken, other)
      await other.anonymous.with(alice.identity).expect(200, 'getProfile')
      // Password hashes depend on the secret too.
      await other.anonymous.refused('invalid-credentials', 'logIn', { body })
    }, 'another secret than that of the other tests')

    await expectValid(alice.identity)
  })
})

describe('POST /auth/refresh', () => {
  test('returns 401 for another spelling of a valid token, which stays valid', async () => {
    const { identity } = await server.createUser()
    const { refreshToken } = identity
    const spellings = [
      ` ${refreshToken}`,
      `${refreshToken} `,
      `${refreshToken}\n`,
      `${refreshToken}=`,
      `${refreshToken}.`,
      refreshToken.toUpperCase(),
      refreshToken.replace('parley_refresh_', ''),
      `Bearer ${refreshToken}`,
      `${refreshToken}${refreshToken}`,
      refreshToken.normalize('NFD').replace('p', '\uff50'),
    ]

    for (const spelling of spellings) {
      const { headers } = await expectRefused('token-invalid', spelling)
      expect(headers['www-authenticate']).toContain('error="invalid_token"')
      expect(headers['cache-control']).toBe('no-store')
    }

    await expectValid(identity)
  })

  test('returns 400 for a value that no token can have', async () => {
    const odd = ['', 'x'.repeat(501), 'x'.repeat(100_000), null, 1, [], {}, 'a\u0000b', '\ud800']

    for (const refreshToken of odd) {
      await expectRefused('invalid-request', refreshToken as string)
    }
  })
})

describe('a restart on the same store', () => {
  test('keeps every valid session, and none that ended', async () => {
    const kept = await server.createUser()
    const rotated = await refresh((await server.createUser()).identity.refreshToken)
    const ended = await server.createUser()
    await ended.expect(204, 'logOut', { body: { scope: 'all' } })

    await withServer(async (restarted) => {
      await expectValid(kept.identity, restarted)
      await expectValid(rotated, restarted)
      await expectInvalid(ended.identity, restarted)
      const again = createClient(restarted.url, kept.identity)
      await again.expect(200, 'listSessions')
    })
  })
})
