import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import pg from 'pg'
import type { Client } from '../support/client.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { queryServer } from '../support/database/server-database.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/clock/until.ts'
import { type SpyStore, spyOnStore } from '../support/database/spy-store.ts'

/** What ends a session does so in one transaction with its record. */
const RECORD = 'auditEvents.add'
const MOST_TRIES = 3

let testStore: TestStore
let watched: SpyStore
let server: TestServer
let alice: Client
let sessionId: string

// The embedded database has one connection: nobody is in its way.
describe.skipIf('snapshot' in inject('migrated'))('two transactions in a circle', () => {
  beforeEach(async () => {
    testStore = await openTestStore()
    watched = spyOnStore(testStore.store)
    server = await startServer({ testStore, replacements: { deps: { store: watched.store } } })
    alice = await server.createUser()
    sessionId = alice.identity.sessionId
  })
  afterEach(async () => {
    await server.close()
    await testStore.close()
  })

  test('are both done: the one that the database undoes is done again', async () => {
    const over = watched.instead(RECORD, async (real) => {
      over()
      await standInTheWay()
      return real()
    })
    const calls = await watched.during(() =>
      alice.expect(204, 'endSession', { path: { sessionId } }),
    )
    expect(calls.filter((name) => name === RECORD)).toHaveLength(2)

    const kept = await testStore.store.sessions.find(sessionId)
    expect(kept).toMatchObject({ userAgent: 'the rival' })
    expect(kept?.revokedAt).toBeInstanceOf(Date)

    const target = { targetId: sessionId, event: 'session.revoked', limit: 10 }
    expect(await testStore.store.auditEvents.list(target)).toHaveLength(1)
  })

  test('again and again end in 503, with nothing done', async () => {
    const over = watched.instead(RECORD, async (real) => {
      await standInTheWay()
      return real()
    })
    const calls = await watched.during(async () => {
      const { headers } = await alice.refused('unavailable', 'endSession', {
        path: { sessionId },
      })
      expect(headers['retry-after']).toMatch(/^[1-9]\d*$/)
    })
    expect(calls.filter((name) => name === RECORD)).toHaveLength(MOST_TRIES)
    expect((await testStore.store.sessions.find(sessionId))?.revokedAt).toBeUndefined()

    over()
    await alice.expect(204, 'endSession', { path: { sessionId } })
  })

  test('are both done where one of them is a single statement', async () => {
    const { id: accountId } = (await alice.expect(200, 'getProfile')).body
    for (let i = 0; i < 2; i += 1) await again(alice)
    const ids = (await queryServer(url(), 'SELECT id FROM sessions')).map(({ id }) => String(id))
    const [first, second, third] = ids as [string, string, string]
    const [blocker, rival] = [await connect(), await connect()]
    await rival.query(`BEGIN; SET LOCAL deadlock_timeout = '1min'`)
    await rival.query(SEIZE, [third])
    await blocker.query('BEGIN')
    await blocker.query(SEIZE, [second])
    const now = server.clock.now()
    const revoking = testStore.store.sessions.revokeOwned({ accountId, now })
    await until(() => waiting('revoked_at'))
    const seizing = rival.query(SEIZE, [first])
    await until(() => waiting('the rival'))
    // From here on the statement waits for the rival, too: that is the circle.
    await blocker.query('COMMIT')
    await seizing
    await rival.query('COMMIT')
    expect((await revoking).toSorted()).toEqual(ids.toSorted())

    await Promise.all([blocker.end(), rival.end()])
  })
})

const SEIZE = `UPDATE sessions SET user_agent = 'the rival' WHERE id = $1`
const url = () => testStore.options.databaseUrl!

async function connect(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url() })
  await client.connect()
  return client
}

/** Whether a statement with these words waits for another transaction. */
async function waiting(words: string): Promise<boolean> {
  const asked = `SELECT query FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'`
  return (await queryServer(url(), asked)).some(({ query }) => String(query).includes(words))
}

/** Signs in once more. */
async function again({ identity: { email, password } }: Client): Promise<void> {
  await server.anonymous.expect(200, 'logIn', { body: { email, password } })
}

/**
 * Another transaction that holds what the next statement of this one needs, and waits for what this
 * one has. It is never the one to give way: its own look for circles comes too late.
 */
async function standInTheWay(): Promise<void> {
  const rival = await connect()
  await rival.query(`BEGIN; SET LOCAL deadlock_timeout = '1min'`)
  await rival.query('LOCK TABLE audit_events IN SHARE MODE')
  void rival
    .query(SEIZE, [sessionId])
    .then(() => rival.query('COMMIT'))
    .finally(() => rival.end())
  await until(() => waiting('the rival'))
}
