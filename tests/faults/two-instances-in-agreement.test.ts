import { describe, expect, test } from 'vitest'
import type { Scope } from '../../generated/api.ts'
import { createDeferred } from '../../src/lib/deferred.ts'
import { DatabaseUnavailable } from '../../src/store/store.ts'
import { createClient } from '../support/client.ts'
import { TestClock } from '../support/clock/clock.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { createServiceAccount } from '../support/resources.ts'
import { until } from '../support/clock/until.ts'
import {
  type Case,
  LOOK_MS,
  admin,
  advance,
  at,
  cases,
  heard,
  hears,
  here,
  idOf,
  testStore,
  there,
  watchedThere,
} from './two-instances.given.ts'

const away = () => Promise.reject(new DatabaseUnavailable('The database is away'))

describe('what was given', () => {
  test('holds elsewhere too: a role, scopes, and an account that is enabled again', async () => {
    const [alice, bob] = [await here.createUser(), await here.createUser()]
    const robot = await createServiceAccount(here, [])
    const ofAlice = { path: { userId: await idOf(alice) } }
    const ofBob = { path: { userId: await idOf(bob) } }
    const ofRobot = { path: { serviceAccountId: robot.serviceAccountId } }
    await admin.expect(200, 'changeUser', { ...ofBob, body: { disabled: true } })
    await advance(LOOK_MS)
    await hears(at(there, bob), 'listConversations', 'account-disabled')
    expect(await heard(at(there, robot), 'listConversations')).toBe('insufficient-scope')

    const scopes: Scope[] = ['conversations:read']
    await admin.expect(200, 'changeUser', { ...ofAlice, body: { role: 'admin' } })
    await admin.expect(200, 'changeUser', { ...ofBob, body: { disabled: false } })
    await admin.expect(200, 'changeServiceAccount', { ...ofRobot, body: { scopes } })
    await advance(LOOK_MS)
    await hears(at(there, alice), 'listUsers', 200)
    await hears(at(there, bob), 'listConversations', 200)
    await hears(at(there, robot), 'listConversations', 200)
  })

  test('as personal limits counts elsewhere, and after a restart long after', async () => {
    const alice = await here.createUser()
    const path = { userId: await idOf(alice) }
    const quotaAt = async (server: TestServer) => {
      const { headers } = await at(server, alice).expect(200, 'listConversations')
      return headers['ratelimit-policy']
    }
    expect(await quotaAt(there)).toBe('"user";q=1000000;w=3600')

    await admin.expect(200, 'changeUser', { path, body: { limits: { hourly: 77 } } })
    expect(await quotaAt(here)).toBe('"user";q=77;w=3600')

    await advance(LOOK_MS)
    await until(async () => (await quotaAt(there)) === '"user";q=77;w=3600')
    await testStore.database.prisma.account.update({
      where: { id: path.userId },
      data: { standingAt: new Date('2026-01-01T00:00:00.000Z') },
    })
    const later = await startServer({ testStore, clock: new TestClock(here.clock.now()) })
    expect(await quotaAt(later)).toBe('"user";q=77;w=3600')

    await later.close()
    await admin.expect(200, 'changeUser', { path, body: { limits: {} } })
    await advance(LOOK_MS)
    await until(async () => (await quotaAt(there)) === '"user";q=1000000;w=3600')
  })

  test('as the successor of a key works elsewhere at once, and the old one to the end of its overlap', async () => {
    const robot = await createServiceAccount(here, ['conversations:read'])
    const path = { serviceAccountId: robot.serviceAccountId, apiKeyId: robot.apiKeyId }
    await at(there, robot).expect(200, 'listConversations')
    const body = { overlapSeconds: 10 }
    const { secret } = (await admin.expect(201, 'rotateApiKey', { path, body })).body
    await createClient(there.url, { apiKey: secret }).expect(200, 'listConversations')
    await advance(9_999)
    await at(there, robot).expect(200, 'listConversations')
    await advance(1)
    await hears(at(there, robot), 'listConversations', 'token-expired')
  })
})

describe('refreshing at two instances', () => {
  test('twenty times at once with one token ends with one live pair', async () => {
    const alice = await here.createUser()
    const body = { refreshToken: alice.identity.refreshToken }
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        [here, there][i % 2]!.anonymous.expect(200, 'refreshTokens', { body }),
      ),
    )
    const tokens = new Set(answers.map((answer) => answer.body.refreshToken))
    expect(tokens.size).toBe(1)
    expect(tokens.has(body.refreshToken)).toBe(false)

    for (const { body: pair } of answers) {
      await createClient(there.url, { ...pair, email: '', password: '' }).expect(200, 'getProfile')
    }
    const [refreshToken] = [...tokens]
    await there.anonymous.expect(200, 'refreshTokens', { body: { refreshToken: refreshToken! } })
    const { body: sessions } = await alice.expect(200, 'listSessions')
    expect(sessions.data).toHaveLength(1)
  })

  test('with a token that was used long ago at one ends the session at the other', async () => {
    const alice = await here.createUser()
    const body = { refreshToken: alice.identity.refreshToken }
    const { body: pair } = await here.anonymous.expect(200, 'refreshTokens', { body })
    await advance(31_000)
    const elsewhere = createClient(there.url, { ...alice.identity, ...pair })
    await elsewhere.expect(200, 'listConversations')
    await here.anonymous.refused('refresh-token-reused', 'refreshTokens', { body })
    await at(here, elsewhere).refused('token-invalid', 'listConversations')
    const live = { refreshToken: pair.refreshToken }
    await there.anonymous.refused('token-invalid', 'refreshTokens', { body: live })
    await advance(LOOK_MS)
    await hears(elsewhere, 'listConversations', 'token-invalid')
  })
})

describe('a look that fails', () => {
  const failures = () =>
    there.logLines().filter(({ msg }) => msg === 'background work failed').length
  const byFeed: [string, Case][] = [
    ['sessions.revokedSince', cases[0]!],
    ['standings.changedSince', cases.find(({ code }) => code === 'account-disabled')!],
    ['apiKeys.changedSince', cases.find(({ name }) => name.startsWith('a key that was revoked'))!],
  ]

  test.each(byFeed)('of %s is made up for by the next one', async (feed, { prepare, code }) => {
    const { victim, act } = await prepare()
    const elsewhere = at(there, victim)
    expect(await heard(elsewhere, 'listConversations')).toBe(200)

    await advance(1)
    expect(await heard(elsewhere, 'listConversations')).toBe(200)

    const before = failures()
    const over = watchedThere.instead(feed, away)
    await act()
    await advance(LOOK_MS)
    await until(() => failures() > before)
    expect(await heard(elsewhere, 'listConversations')).toBe(200)

    // Longer than looks overlap.
    await advance(90_000)
    over()
    await advance(LOOK_MS)
    await hears(elsewhere, 'listConversations', code)
  })
})

describe('what an instance knows', () => {
  /** Answers what was true when it was asked, but not before it is let go. */
  function holdBack(name: string) {
    const [held, read] = [createDeferred<undefined>(), createDeferred<undefined>()]
    const over = watchedThere.instead(name, async (real) => {
      const result = await real()
      read.resolve(undefined)
      await held.promise
      return result
    })
    const letGo = () => {
      over()
      held.resolve(undefined)
    }
    return { read: read.promise, letGo }
  }
  /** What was let go has nothing left to wait for: it is taken in, and no later look is begun. */
  const takenIn = () => there.clock.advance(0)

  test('of a user is not undone by a look that began before the change', async () => {
    const [alice, boss] = [await here.createUser(), at(there, await there.admin())]
    const path = { userId: await idOf(alice) }
    const there1 = at(there, alice)
    await boss.expect(200, 'changeUser', { path, body: { displayName: 'Ada' } })
    const { read, letGo } = holdBack('standings.changedSince')
    await advance(LOOK_MS)
    await read
    await boss.expect(200, 'changeUser', { path, body: { disabled: true, limits: { hourly: 9 } } })
    expect(await heard(there1, 'listConversations')).toBe('account-disabled')
    letGo()
    await takenIn()
    expect(await heard(there1, 'listConversations')).toBe('account-disabled')

    const again = holdBack('standings.changedSince')
    await advance(LOOK_MS)
    await again.read
    await boss.expect(200, 'changeUser', { path, body: { disabled: false, limits: {} } })
    again.letGo()
    await takenIn()
    const { headers } = await there1.expect(200, 'listConversations')
    expect(headers['ratelimit-policy']).toBe('"user";q=1000000;w=3600')
  })

  test('of a key is not undone by a reading that began before it was revoked', async () => {
    const robot = await createServiceAccount(here, ['conversations:read'])
    const path = { serviceAccountId: robot.serviceAccountId, apiKeyId: robot.apiKeyId }
    const elsewhere = at(there, robot)
    const boss = at(there, await there.admin())
    const { read, letGo } = holdBack('apiKeys.findHeld')
    const late = elsewhere.call('listConversations')
    await read
    await advance(1)
    await boss.expect(204, 'revokeApiKey', { path })
    letGo()
    await late
    await elsewhere.refused('token-invalid', 'listConversations')
  })

  test('of a key is not undone by a reading that began before it was revoked elsewhere', async () => {
    const robot = await createServiceAccount(here, ['conversations:read'])
    const path = { serviceAccountId: robot.serviceAccountId, apiKeyId: robot.apiKeyId }
    const elsewhere = at(there, robot)
    const { read, letGo } = holdBack('apiKeys.findHeld')
    const late = elsewhere.call('listConversations')
    await read
    await admin.expect(204, 'revokeApiKey', { path })
    await there.parley.services.credentials.feed.refresh()
    letGo()
    await late
    await elsewhere.refused('token-invalid', 'listConversations')
  })
})
