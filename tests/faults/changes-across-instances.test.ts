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
  FEED_MS,
  admin,
  advance,
  at,
  cases,
  outcomeOf,
  untilOutcome,
  here,
  idOf,
  testStore,
  there,
  watchedThere,
} from './two-instances.given.ts'

const failWithoutDatabase = () => Promise.reject(new DatabaseUnavailable('unreachable'))

describe('a change at one instance', () => {
  test('grants a role, scopes and access to an enabled account at the other', async () => {
    const [alice, bob] = [await here.createUser(), await here.createUser()]
    const serviceAccount = await createServiceAccount(here, [])
    const ofAlice = { path: { userId: await idOf(alice) } }
    const ofBob = { path: { userId: await idOf(bob) } }
    const ofRobot = { path: { serviceAccountId: serviceAccount.serviceAccountId } }
    await admin.expect(200, 'changeUser', { ...ofBob, body: { disabled: true } })
    await advance(FEED_MS)

    await untilOutcome(at(there, bob), 'listConversations', 'account-disabled')

    expect(await outcomeOf(at(there, serviceAccount), 'listConversations')).toBe(
      'insufficient-scope',
    )

    const scopes: Scope[] = ['conversations:read']
    await admin.expect(200, 'changeUser', { ...ofAlice, body: { role: 'admin' } })
    await admin.expect(200, 'changeUser', { ...ofBob, body: { disabled: false } })
    await admin.expect(200, 'changeServiceAccount', { ...ofRobot, body: { scopes } })
    await advance(FEED_MS)
    await untilOutcome(at(there, alice), 'listUsers', 200)
    await untilOutcome(at(there, bob), 'listConversations', 200)
    await untilOutcome(at(there, serviceAccount), 'listConversations', 200)
  })

  test('applies personal limits at the other, and at an instance that starts much later', async () => {
    const alice = await here.createUser()
    const path = { userId: await idOf(alice) }

    const quotaAt = async (server: TestServer) => {
      const { headers } = await at(server, alice).expect(200, 'listConversations')
      return headers['ratelimit-policy']
    }

    expect(await quotaAt(there)).toBe('"user";q=1000000;w=3600')

    await admin.expect(200, 'changeUser', { path, body: { limits: { hourly: 77 } } })
    expect(await quotaAt(here)).toBe('"user";q=77;w=3600')

    await advance(FEED_MS)
    await until(async () => (await quotaAt(there)) === '"user";q=77;w=3600')
    await testStore.database.prisma.account.update({
      where: { id: path.userId },
      data: { standingAt: new Date('2026-01-01T00:00:00.000Z') },
    })
    const later = await startServer({ testStore, clock: new TestClock(here.clock.now()) })
    expect(await quotaAt(later)).toBe('"user";q=77;w=3600')

    await later.close()
    await admin.expect(200, 'changeUser', { path, body: { limits: {} } })
    await advance(FEED_MS)
    await until(async () => (await quotaAt(there)) === '"user";q=1000000;w=3600')
  })

  test('makes the successor of an API key work at the other at once, and the old key until its overlap ends', async () => {
    const serviceAccount = await createServiceAccount(here, ['conversations:read'])
    const path = {
      serviceAccountId: serviceAccount.serviceAccountId,
      apiKeyId: serviceAccount.apiKeyId,
    }
    await at(there, serviceAccount).expect(200, 'listConversations')
    const body = { overlapSeconds: 10 }

    const { secret } = (await admin.expect(201, 'rotateApiKey', { path, body })).body

    await createClient(there.url, { apiKey: secret }).expect(200, 'listConversations')
    await advance(9_999)
    await at(there, serviceAccount).expect(200, 'listConversations')
    await advance(1)
    await untilOutcome(at(there, serviceAccount), 'listConversations', 'token-expired')
  })
})

describe('a refresh token at two instances', () => {
  test('yields one pair of tokens for twenty concurrent refreshes', async () => {
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

  test('ends the session at both when it is reused long after its first use', async () => {
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
    await advance(FEED_MS)
    await untilOutcome(elsewhere, 'listConversations', 'token-invalid')
  })
})

describe('a failed read of the changes', () => {
  const failures = () =>
    there.logLines().filter(({ msg }) => msg === 'background work failed').length
  const feedCases: [string, Case][] = [
    ['sessions.revokedSince', cases[0]!],
    ['standings.changedSince', cases.find(({ code }) => code === 'account-disabled')!],
    ['apiKeys.changedSince', cases.find(({ name }) => name.startsWith('a key that was revoked'))!],
  ]

  test.each(feedCases)(
    'loses no change: the next read by %s finds it',
    async (feed, { prepare, code }) => {
      const { caller, act } = await prepare()
      const elsewhere = at(there, caller)
      expect(await outcomeOf(elsewhere, 'listConversations')).toBe(200)

      await advance(1)
      expect(await outcomeOf(elsewhere, 'listConversations')).toBe(200)

      const before = failures()
      const restore = watchedThere.instead(feed, failWithoutDatabase)
      await act()
      await advance(FEED_MS)
      await until(() => failures() > before)
      expect(await outcomeOf(elsewhere, 'listConversations')).toBe(200)

      // Longer than the overlap of two reads.
      await advance(90_000)
      restore()
      await advance(FEED_MS)
      await untilOutcome(elsewhere, 'listConversations', code)
    },
  )
})

describe('a read that began before a change', () => {
  /** Delays a read: it reads at once, and returns when it is released. */
  function delayRead(name: string) {
    const [released, read] = [createDeferred<undefined>(), createDeferred<undefined>()]
    const restore = watchedThere.instead(name, async (real) => {
      const result = await real()
      read.resolve(undefined)
      await released.promise
      return result
    })
    const release = () => {
      restore()
      released.resolve(undefined)
    }
    return { read: read.promise, release }
  }
  /** Lets the instance process what was released, without another read. */
  const processReleased = () => there.clock.advance(0)

  test('does not overwrite the new state of a user', async () => {
    const [alice, adminThere] = [await here.createUser(), at(there, await there.admin())]
    const path = { userId: await idOf(alice) }
    const aliceThere = at(there, alice)
    await adminThere.expect(200, 'changeUser', { path, body: { displayName: 'Ada' } })
    const { read, release } = delayRead('standings.changedSince')
    await advance(FEED_MS)
    await read

    await adminThere.expect(200, 'changeUser', {
      path,
      body: { disabled: true, limits: { hourly: 9 } },
    })
    expect(await outcomeOf(aliceThere, 'listConversations')).toBe('account-disabled')
    release()
    await processReleased()
    expect(await outcomeOf(aliceThere, 'listConversations')).toBe('account-disabled')

    const again = delayRead('standings.changedSince')
    await advance(FEED_MS)
    await again.read
    await adminThere.expect(200, 'changeUser', { path, body: { disabled: false, limits: {} } })
    again.release()
    await processReleased()
    const { headers } = await aliceThere.expect(200, 'listConversations')
    expect(headers['ratelimit-policy']).toBe('"user";q=1000000;w=3600')
  })

  test('does not overwrite the revocation of an API key at the same instance', async () => {
    const serviceAccount = await createServiceAccount(here, ['conversations:read'])
    const path = {
      serviceAccountId: serviceAccount.serviceAccountId,
      apiKeyId: serviceAccount.apiKeyId,
    }
    const elsewhere = at(there, serviceAccount)
    const adminThere = at(there, await there.admin())
    const { read, release } = delayRead('apiKeys.findHeld')
    const lateCall = elsewhere.call('listConversations')
    await read
    await advance(1)

    await adminThere.expect(204, 'revokeApiKey', { path })
    release()
    await lateCall

    await elsewhere.refused('token-invalid', 'listConversations')
  })

  test('does not overwrite the revocation of an API key at another instance', async () => {
    const serviceAccount = await createServiceAccount(here, ['conversations:read'])
    const path = {
      serviceAccountId: serviceAccount.serviceAccountId,
      apiKeyId: serviceAccount.apiKeyId,
    }
    const elsewhere = at(there, serviceAccount)
    const { read, release } = delayRead('apiKeys.findHeld')
    const lateCall = elsewhere.call('listConversations')
    await read

    await admin.expect(204, 'revokeApiKey', { path })
    await there.parley.services.credentials.feed.refresh()
    release()
    await lateCall

    await elsewhere.refused('token-invalid', 'listConversations')
  })
})
