import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { moveToPostgres } from '../../src/commands/actions/data-move.ts'
import { openDatabase, type Database } from '../../src/store/database/database.ts'
import { migrate } from '../../src/store/migrations/migrate.ts'
import { storeOf } from '../../src/store/store.ts'
import { type Client, createClient } from '../support/client.ts'
import { openEmptyServerDatabase } from '../support/database/database.ts'
import { startServer } from '../support/server.ts'
import { createServiceAccount } from '../support/resources.ts'
import { until } from '../support/clock/until.ts'

const COMMAND = join(import.meta.dirname, '../../src/commands/move-to-postgres.ts')
const TSX = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
const SECRET = 'a server secret that only the tests know of'
const TIMEOUT_MS = 120_000
const ODD_TEXT = `"quoted", {braced} \\backslash\\ 'single'\n\ttab, 안녕하세요 👋 (NULL) \u0001 end `
const testOnServer = test.skipIf('snapshot' in inject('migrated'))

let dataDir: string
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'parley-moving-'))
  await writeFile(join(dataDir, 'server-secret'), `${SECRET}\n`, { mode: 0o600 })
})
afterEach(() => rm(dataDir, { recursive: true, force: true }))

/** Runs the command in a process with only these variables. */
function runCommand(env: Record<string, string>) {
  const child = spawn(process.execPath, ['--import', TSX, COMMAND], {
    cwd: dataDir,
    env: { PATH: process.env['PATH'], DATA_DIR: dataDir, ...env },
  })
  let output = ''
  child.stdout.on('data', (text) => (output += String(text)))
  child.stderr.on('data', (text) => (output += String(text)))
  const done = once(child, 'close').then(([code]) => ({ code: code as number | null, output }))
  return { child, done }
}

async function openSource(): Promise<Database> {
  const database = await openDatabase({ dataDir })
  await migrate(database)
  return database
}

/** Starts a server on the database, before or after the move. */
const startServerOn = (database: Database) => {
  const testStore = { store: storeOf(database), database, options: {}, close: async () => {} }
  return startServer({ testStore, env: { SERVER_SECRET: SECRET } })
}

/** The rows of every table, sorted. */
async function rowsOf({ prisma }: Database): Promise<Record<string, string[]>> {
  const tables = await prisma.$queryRaw<{ name: string }[]>`
    SELECT table_name::text AS name FROM information_schema.tables
    WHERE table_schema = 'public' AND table_name <> '_prisma_migrations' ORDER BY 1`
  const all: Record<string, string[]> = {}
  for (const { name } of tables) {
    const sql = `SELECT t::text AS row FROM "${name}" t`
    all[name] = (await prisma.$queryRawUnsafe<{ row: string }[]>(sql)).map(({ row }) => row).sort()
  }
  return all
}

/** The conversations, feedback and usage that a user sees. */
async function viewOf(client: Client): Promise<unknown[]> {
  const conversations = await client.expect(200, 'listConversations')
  const views: unknown[] = [conversations.body]
  for (const { id } of conversations.body.data) {
    const path = { conversationId: id }
    views.push((await client.expect(200, 'getConversation', { path })).body)
  }
  views.push((await client.expect(200, 'listFeedback')).body)
  const usage = await client.expect(200, 'getUsage', { query: { granularity: 'hour' } })
  // The rate limits were counted in memory and start again.
  views.push({ ...usage.body, limits: [] })
  return views
}

const IDEMPOTENT_CALL = {
  headers: { 'Idempotency-Key': 'a-key-of-mine' },
  body: { message: 'Once.' },
}

/** Writes rows to most tables, and to one of them more than a batch of the move. */
async function fillSource(source: Database) {
  const server = await startServerOn(source)
  const alice = await server.createUser()
  const { body } = await alice.expect(200, 'sendMessage', { body: { message: ODD_TEXT } })
  const feedback = { messageId: body.message.id, rating: 'down' as const, comment: ODD_TEXT }
  await alice.expect(200, 'giveFeedback', { body: feedback })
  const { body: onceSent } = await alice.expect(200, 'sendMessage', IDEMPOTENT_CALL)
  const program = await createServiceAccount(server, ['conversations:read'])
  await source.prisma.$executeRaw`
    INSERT INTO audit_events (id, at, event, request_id)
    SELECT gen_random_uuid(), now(), 'login.failed', n::text FROM generate_series(1, 450) AS n`
  const view = await viewOf(alice)
  await server.close()
  return { alice, onceSent, program, view, rows: await rowsOf(source) }
}

/** Expects a server on the target to show the same data, to accept the old credentials and to count usage on. */
async function expectSameService(target: Database, before: Awaited<ReturnType<typeof fillSource>>) {
  const server = await startServerOn(target)
  const { email, password, refreshToken } = before.alice.identity
  const alice = createClient(server.url, before.alice.identity)
  expect(await viewOf(alice)).toEqual(before.view)
  const repeated = await alice.expect(200, 'sendMessage', IDEMPOTENT_CALL)
  expect(repeated.headers['idempotency-replayed']).toBe('true')
  expect(repeated.body).toEqual(before.onceSent)
  await server.anonymous.expect(200, 'logIn', { body: { email, password } })
  await server.anonymous.expect(200, 'refreshTokens', { body: { refreshToken } })
  const program = createClient(server.url, { apiKey: before.program.secret })
  await program.expect(200, 'listConversations')
  const messages = async () => (await alice.expect(200, 'getUsage')).body.totals.messages
  await server.clock.advance(1)
  const countBefore = await messages()
  await alice.expect(200, 'sendMessage', { body: { message: 'Once more.' } })
  await server.clock.advance(1)
  expect(await messages()).toBe(countBefore + 1)
  await server.close()
}

const UNREACHABLE_URL = 'postgresql://user:word-in-url@127.0.0.1:9/parley'
const move = (given: { databaseUrl?: string; serverSecret?: string } = {}) => {
  const settings = { databaseUrl: UNREACHABLE_URL, serverSecret: undefined, ...given }
  return moveToPostgres({ dataDir, signingKeysFile: undefined, ...settings })
}

describe('the move to PostgreSQL', () => {
  testOnServer(
    'keeps all rows, and passwords, tokens, API keys and idempotency keys stay valid',
    async () => {
      const source = await openSource()
      const before = await fillSource(source)
      await source.close()
      const empty = await openEmptyServerDatabase()

      const { code, output } = await runCommand({ DATABASE_URL: empty.url }).done

      expect(output).toContain('audit_events: 4')
      expect(code).toBe(0)
      expect(output).not.toContain(SECRET)
      const target = await openDatabase({ databaseUrl: empty.url })
      const rows = await rowsOf(target)
      expect(Object.keys(rows).length).toBeGreaterThan(10)
      expect(rows).toEqual(before.rows)
      expect(rows['account_usage_hours']).toHaveLength(1)
      const again = await openSource()
      expect(await rowsOf(again)).toEqual(before.rows)
      await again.close()
      await expectSameService(target, before)
      await target.close()
      await empty.drop()
    },
    TIMEOUT_MS,
  )

  testOnServer(
    'refuses a target with rows and changes nothing in it',
    async () => {
      const source = await openSource()
      await fillSource(source)
      await source.close()
      const taken = await openEmptyServerDatabase()
      const target = await openDatabase({ databaseUrl: taken.url })
      await migrate(target)
      await (await startServerOn(target)).close()
      const rows = await rowsOf(target)

      await expect(move({ databaseUrl: taken.url })).rejects.toThrow('already has rows in accounts')
      expect(await rowsOf(target)).toEqual(rows)
      await target.close()
      await taken.drop()
    },
    TIMEOUT_MS,
  )

  testOnServer(
    'leaves the target empty when it is killed, and can be repeated',
    async () => {
      const source = await openSource()
      const { rows } = await fillSource(source)
      await source.close()
      const empty = await openEmptyServerDatabase()
      const target = await openDatabase({ databaseUrl: empty.url })
      await migrate(target)
      const admin = new pg.Client({ connectionString: empty.url })
      await admin.connect()
      await admin.query(
        `CREATE FUNCTION stall() RETURNS trigger LANGUAGE plpgsql
         AS 'BEGIN PERFORM pg_sleep(600); RETURN NEW; END';
         CREATE TRIGGER stall BEFORE INSERT ON messages EXECUTE FUNCTION stall()`,
      )
      const { child, done } = runCommand({ DATABASE_URL: empty.url })
      const moveSessions = `FROM pg_stat_activity WHERE application_name = 'parley-move'`
      await until(
        async () =>
          (await admin.query(`SELECT ${moveSessions} AND wait_event = 'PgSleep'`)).rowCount,
        TIMEOUT_MS,
      )

      child.kill('SIGKILL')

      expect((await done).code).toBeNull()
      // PostgreSQL notices the death of its client only after the sleep.
      await admin.query(`SELECT pg_terminate_backend(pid) ${moveSessions}`)
      await until(async () => (await admin.query(`SELECT ${moveSessions}`)).rowCount === 0)
      expect(Object.values(await rowsOf(target)).flat()).toEqual([])
      await admin.query('DROP FUNCTION stall CASCADE')
      const report = await move({ databaseUrl: empty.url })
      expect(report).toContain(`audit_events: ${rows['audit_events']!.length}\n`)
      expect(report).not.toContain(SECRET)
      expect(await rowsOf(target)).toEqual(rows)
      await admin.end()
      await target.close()
      await empty.drop()
    },
    TIMEOUT_MS,
  )

  test('refuses a data directory that a server has open', async () => {
    const source = await openSource()

    await expect(move()).rejects.toThrow(`Process ${process.pid} has this data directory open`)
    await source.close()
  })

  test('refuses a data directory without a database and creates none', async () => {
    await expect(move()).rejects.toThrow('There is no embedded database')
    await expect(readFile(join(dataDir, 'database', 'PG_VERSION'))).rejects.toThrow('ENOENT')
  })

  test('refuses another secret than that of the data and shows neither', async () => {
    const other = 'another secret that nothing depends on'

    const failure = await move({ serverSecret: other }).catch((error: unknown) => String(error))

    expect(failure).toContain('SERVER_SECRET differs from the secret')
    for (const secret of [SECRET, other, 'word-in-url']) expect(failure).not.toContain(secret)
  })

  test('requires SERVER_SECRET when the data directory has no secret', async () => {
    await rm(join(dataDir, 'server-secret'))

    await expect(move()).rejects.toThrow('set SERVER_SECRET to the secret that the server used')
  })

  test(
    'requires DATABASE_URL',
    async () => {
      const { code, output } = await runCommand({}).done

      expect(code).toBe(1)
      expect(output).toContain('DATABASE_URL must name')
    },
    TIMEOUT_MS,
  )
})
