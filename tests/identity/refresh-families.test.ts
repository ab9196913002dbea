import { describe, expect, test } from 'vitest'
import { createClient, type Tokens } from '../support/client.ts'
import { DAY_MS, SECOND_MS } from '../support/clock/jumping-clock.ts'
import {
  MANY,
  REUSE_GRACE_MS,
  anotherSession,
  call,
  clock,
  expectDead,
  expectLive,
  manyAtOnce,
  refresh,
  refused,
  server,
  withServer,
} from './refresh-families.given.ts'

describe('twenty refreshes of one token at once', () => {
  test('are all answered with the same pair, generation after generation', async () => {
    const alice = await server.createUser()
    let tokens: Tokens = alice.identity

    for (let generation = 0; generation < 3; generation += 1) {
      const { refreshToken } = tokens
      const pairs = await manyAtOnce(() => refresh(refreshToken))
      expect(new Set(pairs.map((pair) => pair.refreshToken)).size).toBe(1)
      expect(new Set(pairs.map((pair) => pair.sessionId))).toEqual(new Set([tokens.sessionId]))
      for (const pair of pairs) await alice.with(pair).expect(200, 'getProfile')
      tokens = pairs[0]!
    }

    await expectLive(tokens)
    expect((await alice.expect(200, 'listSessions')).body.data).toHaveLength(1)
  })

  test('are so at two instances as well', async () => {
    await withServer(async (other) => {
      const alice = await server.createUser()
      const { refreshToken } = alice.identity
      const pairs = await manyAtOnce((i) => refresh(refreshToken, i % 2 === 0 ? server : other))
      expect(new Set(pairs.map((pair) => pair.refreshToken)).size).toBe(1)
      await expectLive(pairs[0]!, other)
    })
  })

  test('are so when they come while the lost answer is still being waited for', async () => {
    const alice = await server.createUser()
    const { refreshToken } = alice.identity
    const lost = await refresh(refreshToken)
    clock.jump(REUSE_GRACE_MS)

    const pairs = await manyAtOnce(() => refresh(refreshToken))

    expect(new Set(pairs.map((pair) => pair.refreshToken))).toEqual(new Set([lost.refreshToken]))
    await expectLive(lost)
  })
})

describe('twenty families side by side', () => {
  test('never touch each other, though all of them refresh at once', async () => {
    const alice = await server.createUser()
    const families = await manyAtOnce(() => anotherSession(alice))
    let pairs: Tokens[] = families.map(({ identity }) => identity)

    for (let generation = 0; generation < 3; generation += 1) {
      pairs = await Promise.all(pairs.map(({ refreshToken }) => refresh(refreshToken)))
      const ids = pairs.map(({ sessionId }) => sessionId)
      expect(ids).toEqual(families.map(({ identity }) => identity.sessionId))
    }

    expect(new Set(pairs.map(({ refreshToken }) => refreshToken)).size).toBe(MANY)
    for (const pair of pairs) await expectLive(pair)
  })

  test('are not ended by a token glued together from two of them', async () => {
    const alice = await server.createUser()
    const bob = await server.createUser()
    const [a, b] = [alice.identity.refreshToken, bob.identity.refreshToken]

    for (const at of [45, 60, 75, 85]) await refused('token-invalid', a.slice(0, at) + b.slice(at))

    await expectLive(alice.identity)
    await expectLive(bob.identity)
  })
})

describe('a family', () => {
  test('goes on after a change of password in the session that asked, and ends in every other', async () => {
    const alice = await server.createUser()
    const [elsewhere, older] = [await anotherSession(alice), await anotherSession(alice)]
    const newest = await refresh(older.identity.refreshToken)
    const body = { currentPassword: alice.identity.password, newPassword: 'quite another horse' }

    await alice.expect(204, 'changePassword', { body })

    await expectDead(elsewhere.identity)
    await expectDead(older.identity)
    await expectDead(newest)
    await expectLive(alice.identity)
  })

  test('is over for good after a change of password, also if it is refreshed in the same moment', async () => {
    const alice = await server.createUser()
    const thief = await anotherSession(alice)
    const body = { currentPassword: alice.identity.password, newPassword: 'quite another horse' }
    const [raced] = await Promise.all([
      call(thief.identity.refreshToken),
      alice.expect(204, 'changePassword', { body }),
    ])

    if (raced.status === 200) await expectDead(raced.body)

    await expectDead(thief.identity)
  })

  test('slides by 7 days with each refresh, and ends 30 days after its login though it never rested', async () => {
    const alice = await server.createUser()
    let tokens: Tokens = alice.identity
    const fiveDays = async () => {
      clock.jump(5 * DAY_MS)
      tokens = await refresh(tokens.refreshToken)
    }
    for (let i = 0; i < 5; i += 1) await fiveDays()
    clock.jump(5 * DAY_MS - 10 * SECOND_MS)
    tokens = await refresh(tokens.refreshToken)
    await alice.with(tokens).expect(200, 'getProfile')
    clock.jump(10 * SECOND_MS)
    await refused('token-expired', tokens.refreshToken)
    // The leeway for clocks that differ.
    clock.jump(5 * SECOND_MS)
    await alice.with(tokens).refused('token-expired', 'getProfile')
    await withServer(async (restarted) => {
      await refused('token-expired', tokens.refreshToken, restarted)
    })
  })

  test('that rested for 7 days is over, and a refresh a moment before that is not too late', async () => {
    const [resting, lively] = [
      (await server.createUser()).identity,
      (await server.createUser()).identity,
    ]
    clock.jump(7 * DAY_MS - 1)
    const next = await refresh(lively.refreshToken)
    clock.jump(1)

    await refused('token-expired', resting.refreshToken)

    await expectLive(next)
  })
})

describe('another installation', () => {
  test('with the same keys and accounts, but another SERVER_SECRET, takes no refresh token of ours, nor we its', async () => {
    const alice = await server.createUser()
    const body = { email: 'admin@example.com', password: 'the admin of the tests' }

    await withServer(async (other) => {
      await refused('token-invalid', alice.identity.refreshToken, other)
      await other.anonymous.with(alice.identity).expect(200, 'getProfile')
      // A hash is worth nothing under another secret either.
      await other.anonymous.refused('invalid-credentials', 'logIn', { body })
    }, 'another secret, which nobody here has seen before')

    await expectLive(alice.identity)
  })
})

describe('what is sent in the place of a refresh token', () => {
  test('is 401 for every other spelling of a right one, and the right one goes on', async () => {
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
      const { headers } = await refused('token-invalid', spelling)
      expect(headers['www-authenticate']).toContain('error="invalid_token"')
      expect(headers['cache-control']).toBe('no-store')
    }

    await expectLive(identity)
  })

  test('is 400 if no token could look like it', async () => {
    const odd = ['', 'x'.repeat(501), 'x'.repeat(100_000), null, 1, [], {}, 'a\u0000b', '\ud800']
    for (const refreshToken of odd) {
      await refused('invalid-request', refreshToken as string)
    }
  })
})

test('a restart on the same store keeps every live family, and none that ended', async () => {
  const kept = await server.createUser()
  const rotated = await refresh((await server.createUser()).identity.refreshToken)
  const gone = await server.createUser()
  await gone.expect(204, 'logOut', { body: { scope: 'all' } })
  await withServer(async (restarted) => {
    await expectLive(kept.identity, restarted)
    await expectLive(rotated, restarted)
    await expectDead(gone.identity, restarted)
    const again = createClient(restarted.url, kept.identity)
    await again.expect(200, 'listSessions')
  })
})
