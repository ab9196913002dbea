import pg from 'pg'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/clock/until.ts'

/** Four times as many as there are connections. */
const CALLS = 40
const CONNECTIONS = 10
/** 2 s for a connection and 5 s for a statement, with a margin for a busy machine. */
const LONGEST_CALL_MS = 30_000

let testStore: TestStore
let server: TestServer
let lockHolder: pg.Client

// The embedded database has no connection pool.
describe.skipIf('snapshot' in inject('migrated'))('when every database connection is busy', () => {
  beforeEach(async () => {
    testStore = await openTestStore()
    server = await startServer({ testStore })
    lockHolder = new pg.Client({ connectionString: testStore.options.databaseUrl })
    await lockHolder.connect()
  })
  afterEach(async () => {
    await lockHolder.end()
    await server.close()
    await testStore.close()
  })

  test('returns 503 in bounded time for calls that need one, serves the others, and recovers', async () => {
    const alice = await server.createUser()
    await lockHolder.query('BEGIN; LOCK TABLE conversations IN ACCESS EXCLUSIVE MODE')

    let settledCalls = 0
    const calls = Array.from({ length: CALLS }, async () => {
      const response = await alice.call('listConversations')
      settledCalls += 1
      return response
    })

    await until(() => testStore.store.connections()?.busy === CONNECTIONS)
    await until(() => (testStore.store.connections()?.waiting ?? 0) > 0)

    await server.anonymous.expect(200, 'getHealth')
    await server.anonymous.expect(200, 'listModes')
    await until(() => settledCalls === CALLS, LONGEST_CALL_MS)

    for (const { status, headers, body } of await Promise.all(calls)) {
      expect([status, body]).toMatchObject([503, { code: 'unavailable', retryable: true }])
      expect(headers['retry-after']).toMatch(/^[1-9]\d*$/)
    }

    await lockHolder.query('ROLLBACK')
    await until(() => testStore.store.connections()?.waiting === 0)

    await alice.expect(200, 'listConversations')
    await alice.expect(200, 'sendMessage', { body: { message: 'Hello' } })
  })
})
