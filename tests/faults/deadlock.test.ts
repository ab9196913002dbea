import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import pg from 'pg'
import type { Client } from '../support/client.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { queryServer } from '../support/database/server-database.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/clock/until.ts'
import { type SpyStore, spyOnStore } from '../support/database/spy-store.ts'

/** Revoking a session and recording it are one transaction; this is its second statement. */
const ADD_AUDIT_EVENT = 'auditEvents.add'
const MAX_ATTEMPTS = 3

let testStore: TestStore
let spyStore: SpyStore
let server: TestServer
let alice: Client
let sessionId: string

// The embedded database has one connection, so it cannot deadlock.
describe.skipIf('snapshot' in inject('migrated'))('a deadlock', () => {
  beforeEach(async () => {
    testStore = await openTestStore()
    spyStore = spyOnStore(testStore.store)
    server = await startServer({ testStore, replacements: { deps: { store: spyStore.store } } })
    alice = await server.createUser()
    sessionId = alice.identity.sessionId
  })
  afterEach(async () => {
    await server.close()
    await testStore.close()
  })

  test('is resolved by retrying the transaction that the database rolled back', async () => {
    const restore = spyStore.instead(ADD_AUDIT_EVENT, async (real) => {
      restore()
      await causeDeadlock()
      return real()
    })

    const calls = await spyStore.during(() =>
      alice.expect(204, 'endSession', { path: { sessionId } }),
    )

    expect(calls.filter((name) => name === ADD_AUDIT_EVENT)).toHaveLength(2)
    const session = await testStore.store.sessions.find(sessionId)
    expect(session).toMatchObject({ userAgent: 'the rival' })
    expect(session?.revokedAt).toBeInstanceOf(Date)

    const target = { targetId: sessionId, event: 'session.revoked', limit: 10 }
    expect(await testStore.store.auditEvents.list(target)).toHaveLength(1)
  })

  test('returns 503 and changes nothing when every attempt deadlocks', async () => {
    const restore = spyStore.instead(ADD_AUDIT_EVENT, async (real) => {
      await causeDeadlock()
      return real()
    })

    const calls = await spyStore.during(async () => {
      const { headers } = await alice.refused('unavailable', 'endSession', {
        path: { sessionId },
      })
      expect(headers['retry-after']).toMatch(/^[1-9]\d*$/)
    })

    expect(calls.filter((name) => name === ADD_AUDIT_EVENT)).toHaveLength(MAX_ATTEMPTS)
    expect((await testStore.store.sessions.find(sessionId))?.revokedAt).toBeUndefined()

    restore()
    await alice.expect(204, 'endSession', { path: { sessionId } })
  })

  test('is resolved when one side is a single statement', async () => {
    const { id: accountId } = (await alice.expect(200, 'getProfile')).body
    for (let i = 0; i < 2; i += 1) await logInAgain(alice)
    const ids = (await queryServer(url(), 'SELECT id FROM sessions')).map(({ id }) => String(id))
    const [first, second, third] = ids as [string, string, string]
    const [blocker, rival] = [await connect(), await connect()]

    await rival.query(`BEGIN; SET LOCAL deadlock_timeout = '1min'`)
    await rival.query(TAKE_SESSION, [third])
    await blocker.query('BEGIN')
    await blocker.query(TAKE_SESSION, [second])
    const now = server.clock.now()
    const revoking = testStore.store.sessions.revokeOwned({ accountId, now })
    await until(() => isWaiting('revoked_at'))

    const taking = rival.query(TAKE_SESSION, [first])
    await until(() => isWaiting('the rival'))
    // From here on the statement waits for the rival, which closes the circle.
    await blocker.query('COMMIT')
    await taking
    await rival.query('COMMIT')

    expect((await revoking).toSorted()).toEqual(ids.toSorted())

    await Promise.all([blocker.end(), rival.end()])
  })
})

const TAKE_SESSION = `UPDATE sessions SET user_agent = 'the rival' WHERE id = $1`
const url = () => testStore.options.databaseUrl!

async function connect(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url() })
  await client.connect()
  return client
}

/** Whether a statement with these words waits for another transaction. */
async function isWaiting(words: string): Promise<boolean> {
  const query = `SELECT query FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'`
  return (await queryServer(url(), query)).some((row) => String(row['query']).includes(words))
}

/** Opens another session of the same account. */
async function logInAgain({ identity: { email, password } }: Client): Promise<void> {
  await server.anonymous.expect(200, 'logIn', { body: { email, password } })
}

/**
 * Opens a transaction that holds what the next statement of the current one needs, and waits for
 * what the current one holds. Its own deadlock check comes too late, so the database never rolls
 * it back.
 */
async function causeDeadlock(): Promise<void> {
  const rival = await connect()
  await rival.query(`BEGIN; SET LOCAL deadlock_timeout = '1min'`)
  await rival.query('LOCK TABLE audit_events IN SHARE MODE')
  void rival
    .query(TAKE_SESSION, [sessionId])
    .then(() => rival.query('COMMIT'))
    .finally(() => rival.end())
  await until(() => isWaiting('the rival'))
}
