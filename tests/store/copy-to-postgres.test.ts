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
const PATIENCE_MS = 120_000
const ODD_TEXT = `"quoted", {braced} \\backslash\\ 'single'\n\ttab, 안녕하세요 👋 (NULL) \u0001 end `
const withServer = test.skipIf('snapshot' in inject('migrated'))

let dataDir: string
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'parley-moving-'))
  await writeFile(join(dataDir, 'server-secret'), `${SECRET}\n`, { mode: 0o600 })
})
afterEach(() => rm(dataDir, { recursive: true, force: true }))

/** The command in a process of its own, with these variables and nothing else. */
function run(env: Record<string, string>) {
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

/** A server on a database, as it was and as it is after the move. */
const serve = (database: Database) => {
  const testStore = { store: storeOf(database), database, options: {}, close: async () => {} }
  return startServer({ testStore, env: { SERVER_SECRET: SECRET } })
}

/** Every row of every table, in an order of its own. */
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

/** What a user sees of what is kept. */
async function viewOf(client: Client): Promise<unknown[]> {
  const conversations = await client.expect(200, 'listConversations')
  const views: unknown[] = [conversations.body]
  for (const { id } of conversations.body.data) {
    const path = { conversationId: id }
    views.push((await client.expect(200, 'getConversation', { path })).body)
  }
  views.push((await client.expect(200, 'listFeedback')).body)
  const usage = await client.expect(200, 'getUsage', { query: { granularity: 'hour' } })
  // What is left of the limits was counted in memory, and starts anew.
  views.push({ ...usage.body, limits: [] })
  return views
}

const PLEDGE = { headers: { 'Idempotency-Key': 'a-key-of-mine' }, body: { message: 'Once.' } }

/** A little of everything, with more rows in one table than are moved at once. */
async function liveHere(source: Database) {
  const server = await serve(source)
  const alice = await server.createUser()
  const { body } = await alice.expect(200, 'sendMessage', { body: { message: ODD_TEXT } })
  const feedback = { messageId: body.message.id, rating: 'down' as const, comment: ODD_TEXT }
  await alice.expect(200, 'giveFeedback', { body: feedback })
  const { body: once } = await alice.expect(200, 'sendMessage', PLEDGE)
  const robot = await createServiceAccount(server, ['conversations:read'])
  await source.prisma.$executeRaw`
    INSERT INTO audit_events (id, at, event, request_id)
    SELECT gen_random_uuid(), now(), 'login.failed', n::text FROM generate_series(1, 450) AS n`
  const view = await viewOf(alice)
  await server.close()
  return { alice, once, robot, view, rows: await rowsOf(source) }
}

const NOWHERE = 'postgresql://user:word-in-url@127.0.0.1:9/parley'
const move = (given: { databaseUrl?: string; serverSecret?: string } = {}) => {
  const settings = { databaseUrl: NOWHERE, serverSecret: undefined, ...given }
  return moveToPostgres({ dataDir, signingKeysFile: undefined, ...settings })
}

describe('moving to PostgreSQL', () => {
  withServer(
    'loses nothing: rows, passwords, tokens, API keys and pledges go on',
    async () => {
      const source = await openSource()
      const before = await liveHere(source)
      await source.close()
      const empty = await openEmptyServerDatabase()
      const { code, output } = await run({ DATABASE_URL: empty.url }).done
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

      const server = await serve(target)
      const { email, password, refreshToken } = before.alice.identity
      const alice = createClient(server.url, before.alice.identity)
      expect(await viewOf(alice)).toEqual(before.view)
      const repeated = await alice.expect(200, 'sendMessage', PLEDGE)
      expect(repeated.headers['idempotency-replayed']).toBe('true')
      expect(repeated.body).toEqual(before.once)
      await server.anonymous.expect(200, 'logIn', { body: { email, password } })
      await server.anonymous.expect(200, 'refreshTokens', { body: { refreshToken } })
      const robot = createClient(server.url, { apiKey: before.robot.secret })
      await robot.expect(200, 'listConversations')
      const messages = async () => (await alice.expect(200, 'getUsage')).body.totals.messages
      await server.clock.advance(1)
      const said = await messages()
      await alice.expect(200, 'sendMessage', { body: { message: 'Once more.' } })
      await server.clock.advance(1)
      expect(await messages()).toBe(said + 1)
      await server.close()
      await target.close()
      await empty.drop()
    },
    PATIENCE_MS,
  )

  withServer(
    'refuses a database that has rows, and changes nothing there',
    async () => {
      const source = await openSource()
      await liveHere(source)
      await source.close()
      const taken = await openEmptyServerDatabase()
      const target = await openDatabase({ databaseUrl: taken.url })
      await migrate(target)
      await (await serve(target)).close()
      const rows = await rowsOf(target)
      await expect(move({ databaseUrl: taken.url })).rejects.toThrow('already has rows in accounts')
      expect(await rowsOf(target)).toEqual(rows)
      await target.close()
      await taken.drop()
    },
    PATIENCE_MS,
  )

  withServer(
    'killed in the middle leaves the target empty, and can be done again',
    async () => {
      const source = await openSource()
      const { rows } = await liveHere(source)
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
      const { child, done } = run({ DATABASE_URL: empty.url })
      const mover = `FROM pg_stat_activity WHERE application_name = 'parley-move'`
      await until(
        async () => (await admin.query(`SELECT ${mover} AND wait_event = 'PgSleep'`)).rowCount,
        PATIENCE_MS,
      )
      child.kill('SIGKILL')
      expect((await done).code).toBeNull()
      // PostgreSQL notices at its next word to the client; here it would sleep till then.
      await admin.query(`SELECT pg_terminate_backend(pid) ${mover}`)
      await until(async () => (await admin.query(`SELECT ${mover}`)).rowCount === 0)
      expect(Object.values(await rowsOf(target)).flat()).toEqual([])
      await admin.query('DROP FUNCTION stall CASCADE')
      const said = await move({ databaseUrl: empty.url })
      expect(said).toContain(`audit_events: ${rows['audit_events']!.length}\n`)
      expect(said).not.toContain(SECRET)
      expect(await rowsOf(target)).toEqual(rows)
      await admin.end()
      await target.close()
      await empty.drop()
    },
    PATIENCE_MS,
  )

  test('refuses a folder that a server has open', async () => {
    const source = await openSource()
    await expect(move()).rejects.toThrow(`Process ${process.pid} has this data directory open`)

    await source.close()
  })

  test('refuses a folder without a database, and makes none there', async () => {
    await expect(move()).rejects.toThrow('There is no embedded database')
    await expect(readFile(join(dataDir, 'database', 'PG_VERSION'))).rejects.toThrow('ENOENT')
  })

  test('refuses another secret than the data depend on, and shows neither', async () => {
    const other = 'another secret that nothing depends on'

    const failure = await move({ serverSecret: other }).catch((error: unknown) => String(error))

    expect(failure).toContain('SERVER_SECRET differs from the secret')
    for (const secret of [SECRET, other, 'word-in-url']) expect(failure).not.toContain(secret)
  })

  test('wants the secret where none is kept: without it nobody could log in', async () => {
    await rm(join(dataDir, 'server-secret'))

    await expect(move()).rejects.toThrow('set SERVER_SECRET to the secret that the server used')
  })

  test(
    'asks for the database to move to',
    async () => {
      const { code, output } = await run({}).done

      expect(code).toBe(1)
      expect(output).toContain('DATABASE_URL must name')
    },
    PATIENCE_MS,
  )
})
