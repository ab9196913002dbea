import pg from 'pg'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/clock/until.ts'

/** Four times as many as there are connections. */
const CALLS = 40
const CONNECTIONS = 10
/** 2 s for a connection, 5 s for a statement, and some: no call hangs. */
const LONGEST_CALL_MS = 30_000

let testStore: TestStore
let server: TestServer
let holder: pg.Client

// The embedded database has no pool that could be used up.
describe.skipIf('snapshot' in inject('migrated'))('while every connection is busy', () => {
  beforeEach(async () => {
    testStore = await openTestStore()
    server = await startServer({ testStore })
    holder = new pg.Client({ connectionString: testStore.options.databaseUrl })
    await holder.connect()
  })
  afterEach(async () => {
    await holder.end()
    await server.close()
    await testStore.close()
  })

  test('calls that need one are 503 in bounded time, and those that need none go on', async () => {
    const alice = await server.createUser()
    await holder.query('BEGIN; LOCK TABLE conversations IN ACCESS EXCLUSIVE MODE')
    let answered = 0
    const calls = Array.from({ length: CALLS }, async () => {
      const answer = await alice.call('listConversations')
      answered += 1
      return answer
    })
    await until(() => testStore.store.connections()?.busy === CONNECTIONS)
    await until(() => (testStore.store.connections()?.waiting ?? 0) > 0)
    await server.anonymous.expect(200, 'getHealth')
    await server.anonymous.expect(200, 'listModes')
    await until(() => answered === CALLS, LONGEST_CALL_MS)
    for (const { status, headers, body } of await Promise.all(calls)) {
      expect([status, body]).toMatchObject([503, { code: 'unavailable', retryable: true }])
      expect(headers['retry-after']).toMatch(/^[1-9]\d*$/)
    }

    await holder.query('ROLLBACK')
    await until(() => testStore.store.connections()?.waiting === 0)
    await alice.expect(200, 'listConversations')
    await alice.expect(200, 'sendMessage', { body: { message: 'Hello' } })
  })
})
