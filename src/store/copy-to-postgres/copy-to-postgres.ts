import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { PGlite, Transaction } from '@electric-sql/pglite'
import { readPostgresUrl } from '../../ports/postgres-url/postgres-url.ts'
import { openDatabase } from '../database/database.ts'
import { openEmbedded } from '../database/embedded.ts'
import { clientFor, connectionOptions } from '../database/server-connection.ts'
import { beginSession } from '../database/session.ts'
import { sessionSettings } from '../database/session-settings.ts'
import { guardedCall } from '../database/unavailable.ts'
import { migrate } from '../migrations/migrate.ts'
import { checkSchema } from '../migrations/schema-check.ts'
import { type Ask, CopyRefused } from './ask.ts'
import { copyTable, refuseRows } from './copied-rows.ts'
import { refuseOtherVersion, switched, tablesInOrder, triggersOf } from './copied-schema.ts'

const CONNECT_MS = 5_000
/** The target waits while a table of the source is read, and a large table takes its time. */
const NO_LIMIT = { statementMs: 0, idleInTransactionMs: 0 }

/** How many rows of a table were copied. */
export type CopiedTable = { table: string; rows: number }

/**
 * Copies the embedded database in `dataDir` to an empty PostgreSQL database, in one transaction:
 * whenever it is interrupted, the target has everything or nothing. The rows of the source are only
 * read. Both databases count and hash every table before the transaction commits.
 * @throws CopyRefused when the source is missing or of another version, the target has rows, or what
 *   arrived is not what was sent
 * @throws DatabaseUnavailable when the target is
 * @throws when a server has `dataDir` open
 */
export async function copyToPostgres(dataDir: string, databaseUrl: string): Promise<CopiedTable[]> {
  // PGlite would create an empty database where there is none.
  if (!existsSync(join(resolve(dataDir), 'database', 'PG_VERSION'))) {
    throw new CopyRefused(
      `There is no embedded database in ${dataDir} (DATA_DIR): set DATA_DIR as the server has it.`,
    )
  }
  const { pglite, close } = await openEmbedded({ dataDir })
  try {
    return await guardedCall(async () => {
      await migrateTarget(databaseUrl)
      return withClient(databaseUrl, (target) => copy(pglite, target))
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
  // A connection that breaks fails the waiting statement; without a listener, it would end the process.
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

async function copy(pglite: PGlite, target: Ask): Promise<CopiedTable[]> {
  return pglite.transaction(async (transaction) => {
    const source = askOf(transaction)
    await target('BEGIN')
    for (const ask of [source, target]) await writeAlike(ask)
    await refuseOtherVersion(source, target)
    const tables = await tablesInOrder(target)
    await refuseRows(target, tables)
    const copied: CopiedTable[] = []
    // What the triggers of the source wrote is among its rows: here they would write it a second time.
    const triggers = await triggersOf(source)
    for (const trigger of triggers) await target(switched('DISABLE', trigger))
    for (const table of tables) copied.push({ table, rows: await copyTable(source, target, table) })
    for (const trigger of triggers) await target(switched('ENABLE', trigger))
    await target('COMMIT')
    return copied
  })
}

function askOf(transaction: Transaction): Ask {
  return async (sql, values) => {
    const { rows } = await transaction.query<Record<string, string>>(sql, values)
    return rows
  }
}

/** Values are copied as PostgreSQL writes them, which depends on these settings. */
async function writeAlike(ask: Ask): Promise<void> {
  for (const setting of [`TIME ZONE 'UTC'`, `DateStyle = 'ISO, YMD'`, `bytea_output = 'hex'`]) {
    await ask(`SET LOCAL ${setting}`)
  }
}
