import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { createDeferred } from '../../src/lib/deferred.ts'
import { createClient } from '../support/client.ts'
import { TestClock } from '../support/clock/clock.ts'
import { createManualEngine, openManualStream } from '../support/upstream/manual-engine.ts'
import { HOUR_MS, MINUTE_MS } from '../support/clock/jumping-clock.ts'
import { databaseDump } from '../support/database/database-dump.ts'
import { startServer } from '../support/server.ts'
import { createUserResources } from '../support/resources.ts'
import { until } from '../support/clock/until.ts'
import { idOf, logIn } from './accounts.ts'
import {
  failAsUnavailable,
  readExport,
  ofKind,
  prisma,
  server,
  testStore,
  watched,
} from './own-data.given.ts'

describe('DELETE /users/profile', () => {
  /** Counts the rows of the account in every table. */
  async function countRows(accountId: string) {
    const database = prisma()
    const owned = { where: { ownerId: accountId } }
    const own = { where: { accountId } }
    return {
      sessions: await database.session.count(own),
      apiKeys: await database.apiKey.count(own),
      conversations: await database.conversation.count(owned),
      messages: await database.message.count({ where: { conversation: owned.where } }),
      generations: await database.generation.count(owned),
      feedback: await database.feedback.count(own),
    }
  }
  const NOTHING = {
    sessions: 0,
    apiKeys: 0,
    conversations: 0,
    messages: 0,
    generations: 0,
    feedback: 0,
  }

  test('deletes the data of the account from every table, and frees the email', async () => {
    const body = {
      email: `${randomUUID()}@example.com`,
      password: 'a horse nobody guesses',
      displayName: 'Ada Lovelace of the tests',
    }
    const { id } = (await server.anonymous.expect(201, 'register', { body })).body
    const alice = await logIn(server, body)
    await createUserResources(alice)
    await alice.expect(200, 'replaceProfile', {
      body: { displayName: body.displayName, preferences: { timeZone: 'Asia/Seoul' } },
    })
    expect(Object.values(await countRows(id)).filter((count) => count > 0)).toHaveLength(5)

    await alice.expect(204, 'closeAccount')

    expect(await countRows(id)).toEqual(NOTHING)
    const everything = await databaseDump(testStore.database)
    const known = [body.email, body.displayName, 'A secret.', 'Asia/Seoul']
    const left = (await prisma().account.findMany({ where: { id } })).map((row) =>
      JSON.stringify(row),
    )
    expect(known.filter((text) => left.join('').includes(text))).toEqual([])
    expect([body.email, body.displayName].filter((text) => everything.includes(text))).toEqual([])
    await server.anonymous.refused('invalid-credentials', 'logIn', {
      body: { email: body.email, password: body.password },
    })
    const again = (await server.anonymous.expect(201, 'register', { body })).body
    expect(again.id).not.toBe(id)
    const another = await logIn(server, body)
    expect(ofKind(await readExport(another), 'conversation')).toEqual([])
  })

  test('makes the tokens of all sessions invalid immediately', async () => {
    const alice = await server.createUser()
    const elsewhere = await logIn(server, alice.identity)

    await alice.expect(204, 'closeAccount')

    for (const one of [alice, elsewhere]) {
      await one.refused('token-invalid', 'getProfile')
      await one.refused('token-invalid', 'listConversations')
      const body = { refreshToken: one.identity.refreshToken }
      await server.anonymous.refused('token-invalid', 'refreshTokens', { body })
    }
    await alice.refused('token-invalid', 'closeAccount')
  })

  test('refuses an older version of the profile with 412 and the current ETag', async () => {
    const alice = await server.createUser()
    const stale = (await alice.expect(200, 'getProfile')).headers['etag']!
    const body = { displayName: 'Ada', preferences: {} }
    const { headers } = await alice.expect(200, 'replaceProfile', { body })

    const refusal = await alice.refused('precondition-failed', 'closeAccount', {
      headers: { 'If-Match': stale },
    })

    expect(refusal.headers['etag']).toBe(headers['etag'])
    await alice.expect(204, 'closeAccount', { headers: { 'If-Match': headers['etag']! } })
  })

  test('closes the account once when it is called twice concurrently, and returns 401 to the other call', async () => {
    const alice = await server.createUser()
    const both = createDeferred<undefined>()
    let began = 0
    const restore = watched.instead('atomically', async (real) => {
      began += 1
      if (began === 2) both.resolve(undefined)
      await both.promise
      return real()
    })

    const closing = Promise.all([1, 2].map(() => alice.call('closeAccount')))
    const answers = await closing.finally(restore)

    expect(answers.map(({ status }) => status).sort()).toEqual([204, 401])
  })

  test('cancels a running stream and deletes its answer', async () => {
    const engine = createManualEngine()
    const held = await startServer({ testStore, replacements: { deps: { engine } } })
    const alice = await held.createUser()
    const id = await idOf(alice)
    const { turn, stream } = await openManualStream(engine, alice)

    await alice.expect(204, 'closeAccount')

    expect((await stream.rest()).map(({ name }) => name)).toEqual(['message.cancelled'])
    expect(turn.signal.aborted).toBe(true)
    await held.parley.services.generations.settled()
    expect(await countRows(id)).toEqual(NOTHING)
    await held.close()
  })

  test('reaches another instance within two seconds', async () => {
    const clock = new TestClock(server.clock.now())
    const other = await startServer({ testStore, clock })
    const alice = await server.createUser()
    const there = createClient(other.url, alice.identity)
    await there.expect(200, 'listConversations')

    await alice.expect(204, 'closeAccount')
    await clock.advance(2_000)

    await until(async () => (await there.call('listConversations')).status === 401)
    await there.refused('token-invalid', 'listConversations')
    await other.close()
  })
})

describe('a closed account', () => {
  /** A clock that runs only the timers of an hour or longer. */
  class SlowClock extends TestClock {
    override every(...[ms, run, onError]: Parameters<TestClock['every']>): () => void {
      return ms < HOUR_MS ? () => undefined : super.every(ms, run, onError)
    }
  }

  test('is refused immediately and deleted within the hour when its deletion failed', async () => {
    const clock = new SlowClock(server.clock.now())
    const replacements = { deps: { store: watched.store } }
    const slow = await startServer({ testStore, clock, replacements })
    const alice = await slow.createUser()
    const id = await idOf(alice)
    await createUserResources(alice)
    const count = () => prisma().conversation.count({ where: { ownerId: id } })
    const restore = watched.instead('closedAccounts.sweep', failAsUnavailable)

    await alice.expect(204, 'closeAccount').finally(restore)

    await alice.refused('token-invalid', 'getProfile')
    expect(await count()).toBe(1)
    expect(JSON.stringify(slow.logLines())).toContain('closed account not removed yet')
    await clock.advance(HOUR_MS - MINUTE_MS)
    expect(await count()).toBe(1)
    await clock.advance(MINUTE_MS)
    await until(async () => (await count()) === 0)
    await slow.close()
  })

  test('is removed from its usage in steps before its row is deleted', async () => {
    const alice = await server.createUser()
    const accountId = await idOf(alice)
    const { generationId } = await createUserResources(alice)
    const restore = watched.instead('closedAccounts.disownUsage', failAsUnavailable)
    await alice.expect(204, 'closeAccount').finally(restore)
    const clock = new TestClock(new Date(server.clock.now().getTime() + 48 * HOUR_MS))
    const later = await startServer({
      testStore,
      clock,
      replacements: { deps: { store: watched.store } },
    })

    const calls = await watched.during(() => later.parley.services.closure.sweepAll())

    const count = (name: string) => calls.filter((one) => one === `closedAccounts.${name}`).length
    // One call disowns the usage, and one more finds that none is left.
    expect(count('disownUsage')).toBeGreaterThan(count('remove'))
    expect(await prisma().account.count({ where: { id: accountId } })).toBe(0)
    const where = { accountId: null, generationId: generationId! }
    expect(await prisma().usageRecord.count({ where })).toBe(1)
    await later.close()
  })

  test('can write nothing at an instance that does not yet know that it is closed', async () => {
    const clock = new SlowClock(server.clock.now())
    const slow = await startServer({ testStore, clock })
    const alice = await server.createUser()
    const id = await idOf(alice)
    const there = createClient(slow.url, alice.identity)

    await alice.expect(204, 'closeAccount')

    await there.refused('token-invalid', 'sendMessage', { body: { message: 'Too late' } })
    await there.refused('token-invalid', 'createConversation', { body: { mode: 'concise' } })
    expect(await prisma().conversation.count({ where: { ownerId: id } })).toBe(0)
    await slow.close()
  })
})
