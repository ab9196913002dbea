import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Problem } from '../../generated/api.ts'
import { type Client, createClient, type Tokens } from '../support/client.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { DAY_MS, JumpingClock, MINUTE_MS, SECOND_MS } from '../support/clock/jumping-clock.ts'
import { startServer, type TestServer } from '../support/server.ts'

const REUSE_GRACE_MS = 30 * SECOND_MS
const MANY = 20

let testStore: TestStore
let clock: JumpingClock
let server: TestServer
beforeAll(async () => {
  testStore = await openTestStore()
  clock = new JumpingClock('2026-11-23T09:00:00.000Z')
  server = await startServer({ testStore, clock })
})
afterAll(async () => {
  await server.close()
  await testStore.close()
})

const call = (refreshToken: string, at = server) =>
  at.anybody.call('refreshTokens', { body: { refreshToken } })

const refresh = async (refreshToken: string, at = server): Promise<Tokens> =>
  (await at.anybody.expect(200, 'refreshTokens', { body: { refreshToken } })).body

const refused = (code: Problem['code'], refreshToken: string, at = server) =>
  at.anybody.refused(code, 'refreshTokens', { body: { refreshToken } })

const manyAtOnce = <T>(ask: (i: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: MANY }, (_, i) => ask(i)))

/** The same user in a session of its own. */
async function anotherSession({ identity, with: withTokens }: Client): Promise<Client> {
  const { email, password } = identity
  return withTokens((await server.anybody.expect(200, 'logIn', { body: { email, password } })).body)
}

async function expectDead(tokens: Tokens, at = server) {
  const { body } = await at.anybody.with(tokens).refused('token-invalid', 'getProfile')
  expect(body).not.toHaveProperty('detail')
  await refused('token-invalid', tokens.refreshToken, at)
}

async function expectLive(tokens: Tokens, at = server): Promise<Tokens> {
  await at.anybody.with(tokens).expect(200, 'getProfile')
  return refresh(tokens.refreshToken, at)
}

/** Another process of the same installation, or the same one after a restart. */
async function withServer(use: (other: TestServer) => Promise<void>, secret?: string) {
  const env: Record<string, string> = secret === undefined ? {} : { SERVER_SECRET: secret }
  const other = await startServer({ testStore, clock, env })
  await use(other)
  await other.close()
}

describe('twenty refreshes of one token at once', () => {
  test('are all answered with the same pair, generation after generation', async () => {
    const alice = await server.newUser()
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
      const alice = await server.newUser()
      const { refreshToken } = alice.identity
      const pairs = await manyAtOnce((i) => refresh(refreshToken, i % 2 === 0 ? server : other))
      expect(new Set(pairs.map((pair) => pair.refreshToken)).size).toBe(1)
      await expectLive(pairs[0]!, other)
    })
  })

  test('are so when they come while the lost answer is still being waited for', async () => {
    const alice = await server.newUser()
    const { refreshToken } = alice.identity
    const lost = await refresh(refreshToken)
    clock.jump(REUSE_GRACE_MS)
    const pairs = await manyAtOnce(() => refresh(refreshToken))
    expect(new Set(pairs.map((pair) => pair.refreshToken))).toEqual(new Set([lost.refreshToken]))
    await expectLive(lost)
  })
})

describe('a lost answer', () => {
  test('asked for again does not make the time longer in which it may be asked for', async () => {
    const { refreshToken } = (await server.newUser()).identity
    const next = await refresh(refreshToken)
    for (const _ of [1, 2]) {
      clock.jump(REUSE_GRACE_MS / 2)
      expect((await refresh(refreshToken)).refreshToken).toBe(next.refreshToken)
    }
    clock.jump(1)
    await refused('refresh-token-reused', refreshToken)
    await expectDead(next)
  })

  test('asked for again does not make the session longer', async () => {
    const { refreshToken } = (await server.newUser()).identity
    const first = await server.anybody.expect(200, 'refreshTokens', { body: { refreshToken } })
    clock.jump(20 * SECOND_MS)
    const again = await server.anybody.expect(200, 'refreshTokens', { body: { refreshToken } })
    expect(again.body.refreshExpiresIn).toBe(first.body.refreshExpiresIn - 20)
  })

  test('is given at another instance, and after a restart', async () => {
    const { refreshToken } = (await server.newUser()).identity
    const next = await refresh(refreshToken)
    await withServer(async (other) => {
      expect((await refresh(refreshToken, other)).refreshToken).toBe(next.refreshToken)
      await expectLive(next, other)
    })
  })
})

describe('a token that is used again', () => {
  test('after 30 seconds ends the session, its newest tokens too, and for good: after a restart as well', async () => {
    const alice = await server.newUser()
    const second = await refresh(alice.identity.refreshToken)
    clock.jump(REUSE_GRACE_MS + 1)
    const { body, headers } = await refused('refresh-token-reused', alice.identity.refreshToken)
    expect(body).toMatchObject({ status: 401, retryable: false })
    expect(headers['www-authenticate']).toContain('error="invalid_token"')
    await expectDead(alice.identity)
    await expectDead(second)
    await withServer(async (restarted) => {
      await expectDead(alice.identity, restarted)
      await expectDead(second, restarted)
    })
  })

  test('is "reused" once, and from then on as invalid as any other', async () => {
    const { refreshToken } = (await server.newUser()).identity
    await refresh(refreshToken)
    clock.jump(MINUTE_MS)
    const answers = await manyAtOnce(() => call(refreshToken))
    const codes = answers.map(({ body }) => (body as Problem).code)
    expect(codes.every((code) => /^(refresh-token-reused|token-invalid)$/.test(code))).toBe(true)
    expect(codes).toContain('refresh-token-reused')
    await refused('token-invalid', refreshToken)
  })

  test('two generations later ends the session at once', async () => {
    const first = (await server.newUser()).identity
    const second = await refresh(first.refreshToken)
    const third = await refresh(second.refreshToken)
    await refused('refresh-token-reused', first.refreshToken)
    for (const tokens of [first, second, third]) await expectDead(tokens)
  })

  test('many generations later ends the session as well', async () => {
    const first = (await server.newUser()).identity
    let last: Tokens = first
    for (let i = 0; i < 12; i += 1) last = await refresh(last.refreshToken)
    await refused('refresh-token-reused', first.refreshToken)
    await expectDead(last)
  })

  test('at another instance ends it at this one too: the refresh token at once, the access token within seconds', async () => {
    await withServer(async (other) => {
      const first = (await server.newUser()).identity
      const second = await refresh(first.refreshToken)
      const third = await refresh(second.refreshToken)
      await refused('refresh-token-reused', first.refreshToken, other)
      await refused('token-invalid', third.refreshToken)
      await server.parley.services.revocations.feed.refresh()
      await expectDead(third)
    })
  })

  test('while its owner refreshes ends the session, whoever is faster: nothing that was given lives on', async () => {
    for (let round = 0; round < 5; round += 1) {
      const first = (await server.newUser()).identity
      const second = await refresh(first.refreshToken)
      clock.jump(MINUTE_MS)
      const answers = await manyAtOnce((i) =>
        call(i % 2 === 0 ? second.refreshToken : first.refreshToken),
      )
      const codes = answers.filter(({ status }) => status !== 200)
      expect(codes.map(({ body }) => (body as Problem).code)).toContain('refresh-token-reused')
      for (const answer of answers) {
        if (answer.status === 200) await expectDead(answer.body)
        else expect(answer.status).toBe(401)
      }
      await expectDead(second)
    }
  })

  test('leaves another session of the same person alone, and everybody else', async () => {
    const [alice, bob] = [await server.newUser(), await server.newUser()]
    const elsewhere = await anotherSession(alice)
    const second = await refresh(alice.identity.refreshToken)
    const theirs = await refresh(elsewhere.identity.refreshToken)
    clock.jump(MINUTE_MS)
    await refused('refresh-token-reused', alice.identity.refreshToken)
    await expectDead(second)
    await expectLive(theirs)
    await expectLive(bob.identity)
  })

  test('of a session that was logged out is merely invalid, and brings nothing back', async () => {
    const alice = await server.newUser()
    const second = await refresh(alice.identity.refreshToken)
    await alice.with(second).expect(204, 'logOut', { body: { scope: 'current' } })
    await expectDead(alice.identity)
    await expectDead(second)
  })
})

describe('twenty families side by side', () => {
  test('never touch each other, though all of them refresh at once', async () => {
    const alice = await server.newUser()
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
    const alice = await server.newUser()
    const bob = await server.newUser()
    const [a, b] = [alice.identity.refreshToken, bob.identity.refreshToken]
    for (const at of [45, 60, 75, 85]) await refused('token-invalid', a.slice(0, at) + b.slice(at))
    await expectLive(alice.identity)
    await expectLive(bob.identity)
  })
})

describe('a family', () => {
  test('goes on after a change of password in the session that asked, and ends in every other', async () => {
    const alice = await server.newUser()
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
    const alice = await server.newUser()
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
    const alice = await server.newUser()
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
    const [resting, lively] = [(await server.newUser()).identity, (await server.newUser()).identity]
    clock.jump(7 * DAY_MS - 1)
    const next = await refresh(lively.refreshToken)
    clock.jump(1)
    await refused('token-expired', resting.refreshToken)
    await expectLive(next)
  })
})

describe('another installation', () => {
  test('with the same keys and accounts, but another SERVER_SECRET, takes no refresh token of ours, nor we its', async () => {
    const alice = await server.newUser()
    const body = { email: 'admin@example.com', password: 'the admin of the tests' }
    await withServer(async (other) => {
      await refused('token-invalid', alice.identity.refreshToken, other)
      await other.anybody.with(alice.identity).expect(200, 'getProfile')
      // A hash is worth nothing under another secret either.
      await other.anybody.refused('invalid-credentials', 'logIn', { body })
    }, 'another secret, which nobody here has seen before')
    await expectLive(alice.identity)
  })
})

describe('what is sent in the place of a refresh token', () => {
  test('is 401 for every other spelling of a right one, and the right one goes on', async () => {
    const { identity } = await server.newUser()
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
  const kept = await server.newUser()
  const rotated = await refresh((await server.newUser()).identity.refreshToken)
  const gone = await server.newUser()
  await gone.expect(204, 'logOut', { body: { scope: 'all' } })
  await withServer(async (restarted) => {
    await expectLive(kept.identity, restarted)
    await expectLive(rotated, restarted)
    await expectDead(gone.identity, restarted)
    const again = createClient(restarted.url, kept.identity)
    await again.expect(200, 'listSessions')
  })
})
