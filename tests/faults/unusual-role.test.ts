import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { newServerSecret } from '../../src/ports/keys/server-secret.ts'
import { newSigningKeysText } from '../../src/ports/keys/signing-keys.ts'
import { openDatabase } from '../../src/store/database/database.ts'
import { openPool } from '../../src/store/database/server.ts'
import { beginSession } from '../../src/store/database/session.ts'
import { sessionSettings } from '../../src/store/database/session-settings.ts'
import { createOddRole, ODD_SETTINGS, type OddRole } from '../support/database/odd-role.ts'
import { ADMIN, openWorkplace, type Workplace } from '../support/process/process.ts'
import { administer, queryServer } from '../support/database/server-database.ts'

/** The most concurrent logins that no limit refuses: each counts on its account until it has succeeded. */
const CONCURRENT = 5
const migrated = inject('migrated')
const serverUrl = 'snapshot' in migrated ? '' : migrated.serverUrl

let workplace: Workplace
let role: OddRole
let env: Record<string, string>

describe.skipIf(serverUrl === '')('a database role with unusual session settings', () => {
  beforeEach(async () => {
    workplace = await openWorkplace()
    const serializable = { default_transaction_isolation: 'serializable' }
    role = await createOddRole(serverUrl, { ...ODD_SETTINGS, ...serializable })
    // Tables of the same names, earlier in the search path than those of Parley.
    for (const sql of [
      `CREATE SCHEMA in_front AUTHORIZATION "${role.name}"`,
      'CREATE TABLE in_front.accounts (id INT)',
      'CREATE TABLE in_front._prisma_migrations (id INT)',
      'CREATE TABLE in_front.limit_counters (key INT)',
    ]) {
      await administer(role.url, sql)
    }
    const keysFile = join(workplace.directory, 'keys.json')
    await writeFile(keysFile, await newSigningKeysText(), { mode: 0o600 })
    env = {
      DATABASE_URL: role.url,
      SIGNING_KEYS_FILE: keysFile,
      SERVER_SECRET: newServerSecret(),
    }
  }, 120_000)
  afterEach(async () => {
    await workplace.close()
    await role.drop()
  })

  test('lets a server start on an empty database and answer concurrent logins and chats with correct times', async () => {
    const parley = await workplace.start(env)
    const alice = await parley.logIn()
    const begun = Date.now()
    const calls = Array.from({ length: CONCURRENT }, () => [
      alice.call('logIn', { body: ADMIN }),
      alice.call('sendMessage', { body: { message: '안녕하세요 \\ ’ÄRGER‘' } }),
    ])

    const answers = await Promise.all(calls.flat())

    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))

    const { body } = await alice.expect(200, 'listSessions')
    for (const { createdAt } of body.data) {
      const apartMs = Math.abs(new Date(createdAt).getTime() - begun)
      // The role's time zone would shift a time by at least half an hour.
      expect(apartMs).toBeLessThan(30 * 60_000)
    }
    const tables = `SELECT count(*)::int AS rows FROM in_front.accounts`
    expect(await queryServer(role.url, tables)).toEqual([{ rows: 0 }])
  }, 120_000)

  test('has its settings overridden in every session', async () => {
    const pool = openPool({ databaseUrl: role.url, statementMs: 4_000 })
    const names = [...Object.keys(ODD_SETTINGS), 'default_transaction_isolation']
    const { rows } = await pool.query<Record<string, string>>(
      `SELECT ${names.map((name) => `current_setting('${name}') AS ${name}`).join(', ')}`,
    )

    await pool.end()

    expect(rows[0]).toEqual({
      datestyle: 'ISO, MDY',
      intervalstyle: 'postgres',
      timezone: 'UTC',
      client_encoding: 'UTF8',
      standard_conforming_strings: 'on',
      bytea_output: 'hex',
      extra_float_digits: '1',
      array_nulls: 'on',
      statement_timeout: '4s',
      lock_timeout: '0',
      idle_in_transaction_session_timeout: '1min',
      search_path: '"public"',
      default_transaction_isolation: 'read committed',
    })
  })

  test('costs each connection one round trip', async () => {
    const client = new pg.Client({ connectionString: role.url })
    await client.connect()
    let roundTrips = 0
    client.connection.on('readyForQuery', () => (roundTrips += 1))
    const patience = { statementMs: 5_000, idleInTransactionMs: 5_000 }

    await beginSession(client, sessionSettings('public', patience))

    expect(roundTrips).toBe(1)

    await client.end()
  })

  test('stays read-only when its owner made it so', async () => {
    await administer(serverUrl, `ALTER ROLE "${role.name}" SET default_transaction_read_only = on`)
    const database = await openDatabase({ databaseUrl: role.url })
    await expect(database.query`SELECT 1`).rejects.toMatchObject({ cause: { code: '25006' } })

    await database.close()
  })
})
