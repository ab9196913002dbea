import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { newServerSecret } from '../../src/ports/keys/server-secret.ts'
import { newSigningKeysText } from '../../src/ports/keys/signing-keys.ts'
import { openDatabase } from '../../src/store/database/database.ts'
import { migrate } from '../../src/store/migrations/migrate.ts'
import { openPool } from '../../src/store/database/server.ts'
import { hasPgBouncer, type PgBouncer, startPgBouncer } from '../support/database/pgbouncer.ts'
import { ADMIN, openWorkplace, type Workplace } from '../support/process/process.ts'
import {
  administer,
  createDatabase,
  dropDatabase,
  queryServer,
} from '../support/database/server-database.ts'
import { openStream } from '../support/wire/stream.ts'

/** The most concurrent logins that no limit refuses: each counts on its account until it has succeeded. */
const CONCURRENT = 5
/** Fewer sessions than a server has connections: its transactions move between sessions. */
const SESSIONS = 3
const migrated = inject('migrated')
const serverUrl = 'snapshot' in migrated ? '' : migrated.serverUrl
const isAvailable = serverUrl !== '' && hasPgBouncer

let workplace: Workplace
let pooler: PgBouncer
let name: string
/** The URLs of the test's own database: at the server, and through the pooler. */
let direct: string
let pooled: string
let env: Record<string, string>

async function openPooler(mode: 'transaction' | 'session' | 'statement', sessions = SESSIONS) {
  pooler = await startPgBouncer(serverUrl, { mode, sessions })
  pooled = pooler.url(direct)
  const keysFile = join(workplace.directory, 'keys.json')
  await writeFile(keysFile, await newSigningKeysText(), { mode: 0o600 })
  env = { DATABASE_URL: pooled, SIGNING_KEYS_FILE: keysFile, SERVER_SECRET: newServerSecret() }
}

/**
 * Whether a line of the log says that something is wrong behind a pooler: any warning or error (settings of the
 * session, a failed request, a contract violation), but not that the limit store was slow, as on a busy machine.
 */
function isMistake(line: string): boolean {
  const isSlowStore = /"type":"TooSlow".*"msg":"limit store unavailable/.test(line)
  const isRecovery = line.includes('"msg":"limit store available again"')
  return /"level":"(warn|error|fatal)"/.test(line) && !isSlowStore && !isRecovery
}

describe.skipIf(!isAvailable)('behind a PgBouncer with its own defaults', () => {
  beforeEach(async () => {
    workplace = await openWorkplace()
    name = `parley_test_${randomUUID()}`
    direct = await createDatabase(serverUrl, name)
  }, 120_000)
  afterEach(async () => {
    await workplace.close()
    await pooler.close()
    await dropDatabase(serverUrl, name)
  })

  test.each([
    ['transaction', SESSIONS],
    ['session', 40],
  ] as const)(
    'in %s mode a server starts on an empty database and answers concurrent logins, chats and streams',
    async (mode, sessions) => {
      await openPooler(mode, sessions)
      await administer(serverUrl, `ALTER DATABASE "${name}" SET datestyle = 'SQL, DMY'`)
      await administer(serverUrl, `ALTER DATABASE "${name}" SET statement_timeout = '1s'`)
      const parley = await workplace.start(env)
      const alice = await parley.logIn()
      await alice.expect(200, 'getReadiness')
      const calls = Array.from({ length: CONCURRENT }, () => [
        alice.call('logIn', { body: ADMIN }),
        alice.call('sendMessage', { body: { message: 'Hello' } }),
        alice.call('listConversations'),
      ])

      const answers = await Promise.all(calls.flat())

      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))

      const stream = await openStream(alice, { message: 'Hello' })
      expect((await stream.rest()).at(-1)!.name).toBe('message.end')
      expect(parley.stdout().split('\n').filter(isMistake)).toEqual([])
    },
    120_000,
  )

  test('a statement is cancelled at its time limit, alone and in a transaction', async () => {
    await openPooler('transaction')
    const pool = openPool({ databaseUrl: pooled, statementMs: 300 })
    await expect(pool.query('SELECT pg_sleep(60)')).rejects.toMatchObject({ code: '57014' })

    const client = await pool.connect()
    await client.query('BEGIN')
    await expect(client.query('SELECT pg_sleep(60)')).rejects.toMatchObject({ code: '57014' })

    await client.query('ROLLBACK')
    client.release()
    await pool.end()
  })

  test('two clients that share a session keep their own settings and leave none to a third', async () => {
    await openPooler('transaction', 1)
    const hasty = openPool({ databaseUrl: pooled, statementMs: 300 })
    const patient = openPool({ databaseUrl: pooled, statementMs: 60_000 })
    const third = new pg.Client({ connectionString: pooled })
    await third.connect()
    const limit = 'SHOW statement_timeout'
    const rowOf = async (query: Promise<{ rows: unknown[] }>) => (await query).rows[0]

    for (let turn = 0; turn < 2; turn += 1) {
      expect(await rowOf(hasty.query(limit))).toEqual({ statement_timeout: '300ms' })
      expect(await rowOf(patient.query(limit))).toEqual({ statement_timeout: '1min' })
      expect(await rowOf(third.query(limit))).toEqual({ statement_timeout: '0' })
      expect(await rowOf(third.query('SHOW search_path'))).toEqual({
        search_path: '"$user", public',
      })
    }
    await Promise.all([hasty.end(), patient.end(), third.end()])
  })

  test('a statement costs one round trip, as without a pooler', async () => {
    await openPooler('transaction')
    const pool = openPool({ databaseUrl: pooled })
    const client = await pool.connect()
    let roundTrips = 0
    client.connection.on('readyForQuery', () => (roundTrips += 1))
    const named = { name: 'answer', text: 'SELECT $1::int AS answer', values: [42] }

    expect((await client.query(named)).rows).toEqual([{ answer: 42 }])
    await expect(client.query('SELECT 1 / 0')).rejects.toMatchObject({ code: '22012' })
    expect((await client.query(named)).rows).toEqual([{ answer: 42 }])
    expect(roundTrips).toBe(3)

    client.release()
    await pool.end()
  })

  test('concurrent starts migrate once and leave no lock in a session of the pooler', async () => {
    await openPooler('transaction')
    const opened = Array.from({ length: 3 }, () => openDatabase({ databaseUrl: pooled }))
    const databases = await Promise.all(opened)

    const applied = await Promise.all(databases.map((database) => migrate(database)))

    expect(new Set(applied.flat()).size).toBe(applied.flat().length)

    await Promise.all(databases.map((database) => database.close()))
    const rows =
      'SELECT count(*)::int AS held FROM pg_locks l JOIN pg_database d ON d.oid = l.database'
    const held = await queryServer(
      direct,
      `${rows} WHERE datname = '${name}' AND locktype = 'advisory'`,
    )
    expect(held).toEqual([{ held: 0 }])
  }, 120_000)

  test('a start that the pooler makes impossible fails with one sentence that says why', async () => {
    await openPooler('statement')
    const { code, stderr } = await workplace.startInVain(env)
    expect([code, stderr]).toEqual([
      1,
      'Parley did not start.\nThe pooler in front of PostgreSQL allows no transactions (pool_mode = statement): set its pool_mode to transaction or session.\n',
    ])

    await pooler.close()
    await openPooler('transaction')
    await administer(
      serverUrl,
      `ALTER DATABASE "${name}" SET default_transaction_isolation = 'serializable'`,
    )
    const strict = await workplace.startInVain(env)
    expect([strict.code, strict.stderr]).toEqual([
      1,
      'Parley did not start.\nThe default_transaction_isolation of the user in DATABASE_URL is not "read committed", and a session cannot change it behind a pooler. Set it with ALTER ROLE, or connect without the pooler.\n',
    ])

    const refused = await workplace.startInVain({
      ...env,
      DATABASE_URL: `${pooled}?options=-cjit%3Doff`,
    })
    expect(refused.stderr).toBe(
      'Parley did not start.\nPostgreSQL, or the pooler in front of it, refuses the connection: unsupported startup parameter: options.\n',
    )
  }, 120_000)
})
