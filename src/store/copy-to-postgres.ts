import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { PGlite, Transaction } from '@electric-sql/pglite'
import pg from 'pg'
import { readPostgresUrl } from '../ports/postgres-url/postgres-url.ts'
import { StartRefused } from '../ports/start-refused.ts'
import { openDatabase } from './database/database.ts'
import { openEmbedded } from './database/embedded.ts'
import { migrate } from './migrations/migrate.ts'
import { checkSchema } from './migrations/schema-check.ts'
import { clientFor, connectionOptions } from './database/server-connection.ts'
import { beginSession } from './database/session.ts'
import { sessionSettings } from './database/session-settings.ts'
import { guardedCall } from './database/unavailable.ts'

/** Rows that are in memory at once. */
const BATCH_ROWS = 200
const CONNECT_MS = 5_000
/** A server that is at work on the target holds its locks for moments, never so long. */
const LOCK_MS = 5_000
/** The target waits while a table of the source is read, and a large table takes what it takes. */
const NO_LIMIT = { statementMs: 0, idleInTransactionMs: 0 }
const MIGRATIONS = '_prisma_migrations'

/** Moving cannot begin, or was taken back: the target is as empty as before. */
export class MoveRefused extends StartRefused {
  override readonly name = 'MoveRefused'
}

/** How many rows of a table were moved. */
export type MovedTable = { table: string; rows: number }

type Trigger = { table: string; name: string }

/** What both databases are asked with; the answer's rows, values as text. */
type Ask = (sql: string, values?: unknown[]) => Promise<Record<string, string>[]>

/**
 * Copies the embedded database in `dataDir` to an empty PostgreSQL database, in one transaction:
 * whenever it is broken off, the target has everything or nothing. The rows of the source are only
 * read. Both sides count and hash every table before it is kept.
 * @throws MoveRefused when the source is missing or of another version, the target has rows, or what
 *   arrived is not what was sent
 * @throws DatabaseUnavailable when the target is
 * @throws when a server has `dataDir` open
 */
export async function moveToServer(dataDir: string, databaseUrl: string): Promise<MovedTable[]> {
  // PGlite would make an empty database where there is none.
  if (!existsSync(join(resolve(dataDir), 'database', 'PG_VERSION'))) {
    throw new MoveRefused(
      `There is no embedded database in ${dataDir} (DATA_DIR): set DATA_DIR as the server has it.`,
    )
  }
  const { pglite, close } = await openEmbedded({ dataDir })
  try {
    return await guardedCall(async () => {
      await migrateTarget(databaseUrl)
      return withClient(databaseUrl, (target) => move(pglite, target))
    })
  } finally {
    await close()
  }
}

async function migrateTarget(databaseUrl: string): Promise<void> {
  const database = await openDatabase({ databaseUrl })
  try {
    await migrate(database)
    await checkSchema(database)
  } finally {
    await database.close()
  }
}

async function withClient<T>(url: string, work: (ask: Ask) => Promise<T>): Promise<T> {
  const read = readPostgresUrl(url)
  const client = new (clientFor(read))({
    ...connectionOptions({ applicationName: 'parley-move', ...read }),
    connectionTimeoutMillis: read.connectMs ?? CONNECT_MS,
  })
  // A connection that breaks fails the statement that is waiting; unheard, it ends the process.
  client.on('error', () => {})
  await client.connect()
  try {
    await beginSession(client, sessionSettings(read.schema, NO_LIMIT))
    return await work(async (sql, values) => {
      const { rows } = await client.query<Record<string, string>>(sql, values)
      return rows
    })
  } finally {
    await client.end()
  }
}

async function move(pglite: PGlite, target: Ask): Promise<MovedTable[]> {
  return pglite.transaction(async (transaction) => {
    const source = askOf(transaction)
    await target('BEGIN')
    for (const ask of [source, target]) await speakAlike(ask)
    await refuseOtherVersion(source, target)
    const tables = await tablesInOrder(target)
    await refuseRows(target, tables)
    const moved: MovedTable[] = []
    // What the source's triggers wrote is among its rows: here they would write it once more.
    const triggers = await triggersOf(source)
    for (const trigger of triggers) await target(switched('DISABLE', trigger))
    for (const table of tables) moved.push({ table, rows: await moveTable(source, target, table) })
    for (const trigger of triggers) await target(switched('ENABLE', trigger))
    await target('COMMIT')
    return moved
  })
}

function askOf(transaction: Transaction): Ask {
  return async (sql, values) => {
    const { rows } = await transaction.query<Record<string, string>>(sql, values)
    return rows
  }
}

/** Values are carried as PostgreSQL writes them, which follows these settings. */
async function speakAlike(ask: Ask): Promise<void> {
  for (const setting of [`TIME ZONE 'UTC'`, `DateStyle = 'ISO, YMD'`, `bytea_output = 'hex'`]) {
    await ask(`SET LOCAL ${setting}`)
  }
}

async function refuseOtherVersion(source: Ask, target: Ask): Promise<void> {
  const [ours, theirs] = await Promise.all([source, target].map(schemaOf))
  if (ours === theirs) return
  throw new MoveRefused(
    'The embedded database belongs to another version of Parley: start this version on it once, stop it, then move the data.',
  )
}

/** Every column of every table, in order: rows are carried whole. */
async function schemaOf(ask: Ask): Promise<string> {
  const columns = await ask(
    `SELECT table_name, column_name, udt_name FROM information_schema.columns
     WHERE table_schema = current_schema() ORDER BY table_name COLLATE "C", ordinal_position`,
  )
  return JSON.stringify(columns)
}

/** Every table but the list of migrations, each behind those that it refers to. */
async function tablesInOrder(ask: Ask): Promise<string[]> {
  const tables = await ask(
    `SELECT table_name AS name FROM information_schema.tables
     WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' ORDER BY 1`,
  )
  const references = await ask(
    `SELECT conrelid::regclass::text AS "from", confrelid::regclass::text AS "to"
     FROM pg_constraint WHERE contype = 'f' AND conrelid <> confrelid
       AND connamespace = current_schema()::regnamespace`,
  )
  const ordered = new Set<string>()
  const add = (name: string): void => {
    for (const { from, to } of references) if (from === name && !ordered.has(to!)) add(to!)
    ordered.add(name)
  }
  for (const { name } of tables) if (name !== MIGRATIONS) add(name!)
  return [...ordered]
}

/** Those that the schema has made, not the ones behind foreign keys: these check what arrives. */
async function triggersOf(ask: Ask): Promise<Trigger[]> {
  const triggers = await ask(
    `SELECT relname AS table, tgname AS name FROM pg_trigger
     JOIN pg_class c ON c.oid = tgrelid
     WHERE NOT tgisinternal AND relnamespace = current_schema()::regnamespace`,
  )
  return triggers.map(({ table, name }) => ({ table: table!, name: name! }))
}

function switched(to: 'DISABLE' | 'ENABLE', { table, name }: Trigger): string {
  return `ALTER TABLE ${pg.escapeIdentifier(table)} ${to} TRIGGER ${pg.escapeIdentifier(name)}`
}

/** Locked before it is looked at: a server that starts meanwhile would make its administrator. */
async function refuseRows(target: Ask, tables: string[]): Promise<void> {
  await target(`SET LOCAL lock_timeout = ${LOCK_MS}`)
  await target(
    `LOCK TABLE ${tables.map((table) => pg.escapeIdentifier(table)).join(', ')} IN ACCESS EXCLUSIVE MODE`,
  )
  for (const table of tables) {
    const found = await target(`SELECT 1 FROM ${pg.escapeIdentifier(table)} LIMIT 1`)
    if (found.length === 0) continue
    throw new MoveRefused(
      `The database in DATABASE_URL already has rows in ${table}: name an empty database.`,
    )
  }
}

async function moveTable(source: Ask, target: Ask, table: string): Promise<number> {
  const name = pg.escapeIdentifier(table)
  await source(`DECLARE moving CURSOR FOR SELECT t::text AS row FROM ${name} t`)
  const fetch = () => source(`FETCH ${BATCH_ROWS} FROM moving`)
  for (let batch = await fetch(); batch.length > 0; batch = await fetch()) {
    // OFFSET 0 keeps PostgreSQL from reading each row's text anew for every column.
    await target(
      `INSERT INTO ${name} SELECT (whole).* FROM
       (SELECT line::${name} AS whole FROM unnest($1::text[]) AS line OFFSET 0) AS lines`,
      [batch.map(({ row }) => row)],
    )
  }
  await source('CLOSE moving')
  const [sent, arrived] = [await sumOf(source, name), await sumOf(target, name)]
  if (sent.rows === arrived.rows && sent.hash === arrived.hash) return Number(sent.rows)
  throw new MoveRefused(
    `The rows that arrived in ${table} differ from those that were sent. Nothing was kept.`,
  )
}

/** The rows and the sum of their hashes, whatever their order. */
async function sumOf(ask: Ask, name: string): Promise<Record<string, string>> {
  const [sum] = await ask(
    `SELECT count(*)::text AS rows, coalesce(sum(
       ('x' || encode(substring(sha256(convert_to(t::text, 'UTF8')) FOR 7), 'hex'))::bit(56)::bigint
     ), 0)::text AS hash FROM ${name} t`,
  )
  return sum!
}
