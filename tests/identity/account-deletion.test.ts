import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { createDeferred } from '../../src/lib/deferred.ts'
import { createClient } from '../support/client.ts'
import { TestClock } from '../support/clock/clock.ts'
import { createManualEngine, openManualStream } from '../support/upstream/manual-engine.ts'
import { HOUR_MS, MINUTE_MS } from '../support/clock/jumping-clock.ts'
import { databaseDump } from '../support/contract/operations.ts'
import { startServer } from '../support/server.ts'
import { createUserResources } from '../support/resources.ts'
import { until } from '../support/clock/until.ts'
import {
  away,
  exported,
  idOf,
  logIn,
  ofKind,
  prisma,
  server,
  testStore,
  watched,
} from './own-data.given.ts'

describe('DELETE /users/profile', () => {
  /** The rows of every table that name the account. */
  async function rowsOf(accountId: string) {
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

  test('removes everything that was one’s own from every table, and lets the email register again', async () => {
    const body = {
      email: `${randomUUID()}@example.com`,
      password: 'a horse nobody guesses',
      displayName: 'Ada Lovelace of the tests',
    }
    const { id } = (await server.anonymous.expect(201, 'register', { body })).body
    const alice = await logIn(server, body as never)
    await createUserResources(alice)
    await alice.expect(200, 'replaceProfile', {
      body: { displayName: body.displayName, preferences: { timeZone: 'Asia/Seoul' } },
    })
    expect(Object.values(await rowsOf(id)).filter((count) => count > 0)).toHaveLength(5)
    await alice.expect(204, 'closeAccount')

    expect(await rowsOf(id)).toEqual(NOTHING)
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
    const newcomer = await logIn(server, body as never)
    expect(ofKind(await exported(newcomer), 'conversation')).toEqual([])
  })

  test('refuses the tokens of all sessions at once', async () => {
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

  test('is only done to the version that one has seen', async () => {
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

  test('twice at the same moment is done once, and the other token opens nothing any more', async () => {
    const alice = await server.createUser()
    const both = createDeferred<undefined>()
    let began = 0
    const over = watched.instead('atomically', async (real) => {
      began += 1
      if (began === 2) both.resolve(undefined)
      await both.promise
      return real()
    })
    const closing = Promise.all([1, 2].map(() => alice.call('closeAccount')))

    const answers = await closing.finally(over)

    expect(answers.map(({ status }) => status).sort()).toEqual([204, 401])
  })

  test('ends a stream that is running, and nothing of its answer is left', async () => {
    const engine = createManualEngine()
    const held = await startServer({ testStore, replacements: { deps: { engine } } })
    const alice = await held.createUser()
    const id = await idOf(alice)
    const { turn, stream } = await openManualStream(engine, alice)
    await alice.expect(204, 'closeAccount')
    expect((await stream.rest()).map(({ name }) => name)).toEqual(['message.cancelled'])
    expect(turn.signal.aborted).toBe(true)

    await held.parley.services.generations.settled()
    expect(await rowsOf(id)).toEqual(NOTHING)

    await held.close()
  })

  test('is heard by another instance within its next look, two seconds later', async () => {
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

describe('a closed account that could not be swept', () => {
  /** Only what happens by the hour happens. */
  class SlowClock extends TestClock {
    override every(...[ms, run, onError]: Parameters<TestClock['every']>): () => void {
      return ms < HOUR_MS ? () => undefined : super.every(ms, run, onError)
    }
  }

  test('is refused all the same, and swept within the hour', async () => {
    const clock = new SlowClock(server.clock.now())
    const instead = { deps: { store: watched.store } }
    const slow = await startServer({ testStore, clock, replacements: instead })
    const alice = await slow.createUser()
    const id = await idOf(alice)
    await createUserResources(alice)
    const over = watched.instead('closedAccounts.sweep', away)
    await alice.expect(204, 'closeAccount').finally(over)
    await alice.refused('token-invalid', 'getProfile')
    const count = () => prisma().conversation.count({ where: { ownerId: id } })
    expect(await count()).toBe(1)
    expect(JSON.stringify(slow.logLines())).toContain('closed account not removed yet')

    await clock.advance(HOUR_MS - MINUTE_MS)
    expect(await count()).toBe(1)

    await clock.advance(MINUTE_MS)
    await until(async () => (await count()) === 0)
    await slow.close()
  })

  test('is taken off its usage bit by bit before its row goes', async () => {
    const alice = await server.createUser()
    const accountId = await idOf(alice)
    const { generationId } = await createUserResources(alice)
    const over = watched.instead('closedAccounts.disownUsage', away)
    await alice.expect(204, 'closeAccount').finally(over)
    const clock = new TestClock(new Date(server.clock.now().getTime() + 48 * HOUR_MS))
    const later = await startServer({
      testStore,
      clock,
      replacements: { deps: { store: watched.store } },
    })
    const calls = await watched.during(() => later.parley.services.closure.sweepAll())
    const of = (name: string) => calls.filter((call) => call === `closedAccounts.${name}`).length
    // Once for alice's usage, and once for everybody to see that there is no more.
    expect(of('disownUsage')).toBeGreaterThan(of('remove'))
    expect(await prisma().account.count({ where: { id: accountId } })).toBe(0)

    const where = { accountId: null, generationId: generationId! }
    expect(await prisma().usageRecord.count({ where })).toBe(1)

    await later.close()
  })

  test('gets nothing from an instance that has not heard of it', async () => {
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
