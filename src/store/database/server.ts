import { PrismaPg } from '@prisma/adapter-pg'
import type { SqlMigrationAwareDriverAdapterFactory, SqlQuery } from '@prisma/driver-adapter-utils'
import pg from 'pg'
import { type PostgresUrl, readPostgresUrl } from '../../ports/postgres-url/postgres-url.ts'
import { StartRefused } from '../../ports/start-refused.ts'
import {
  refuseShadowDatabase,
  scriptRunner,
  transactionBy,
  undoing,
} from '../migrations/migration-script.ts'
import { retireWhenReadOnly } from './read-only.ts'
import { clientFor, connectionOptions } from './server-connection.ts'
import { beginSession } from './session.ts'
import { type Patience, sessionSettings } from './session-settings.ts'

export type ServerOptions = {
  databaseUrl: string
  /** The most connections; by default what the URL says, or 10. */
  maxConnections?: number
  /** Connections that stay open while idle; none by default. */
  minConnections?: number
  /** How long a statement may take; 5 s by default. */
  statementMs?: number
}

/** Unless the URL says connect_timeout. */
const CONNECT_MS = 2_000
/** Unless the URL says connection_limit. */
const CONNECTIONS = 10
const STATEMENT_MS = 5_000
/** Unless the URL says statement_cache_size or pgbouncer. */
const NAMED_STATEMENTS = 500
const MIGRATION_MS = 120_000
/** Longer than any transaction takes, so that a process that hangs releases its locks. */
const IDLE_IN_TRANSACTION_MS = 60_000

// 'parl' in ASCII; every instance locks the same number.
const MIGRATION_LOCK = 0x7061726c

/**
 * A pool whose every wait is bounded: 2 s or what the URL says for a connection, 5 s or `statementMs`
 * for a statement.
 * @throws UnusablePostgresUrl
 */
export function openPool(options: ServerOptions): pg.Pool {
  const url = readPostgresUrl(options.databaseUrl)
  const { maxConnections = url.maxConnections ?? CONNECTIONS, minConnections = 0 } = options
  const size = { max: maxConnections, min: minConnections }
  const patience = {
    statementMs: options.statementMs ?? STATEMENT_MS,
    idleInTransactionMs: IDLE_IN_TRANSACTION_MS,
  }
  return createPool(url, size, patience)
}

type Size = { max: number; min: number }

function createPool(url: PostgresUrl, size: Size, patience: Patience): pg.Pool {
  const settings = sessionSettings(url.schema, patience)
  const pool = new pg.Pool({
    ...connectionOptions(url),
    Client: clientFor(url),
    ...size,
    connectionTimeoutMillis: url.connectMs ?? CONNECT_MS,
    // Over a dead network, the server's own timeout never arrives.
    query_timeout: patience.statementMs + 1_000,
    // Not by start-up parameters: PgBouncer refuses those that it does not know.
    // eslint-disable-next-line @typescript-eslint/no-misused-promises -- pg waits for it
    onConnect: (client) => beginSession(client, settings),
  })
  // The pool replaces a connection that breaks while idle; without a listener, 'error' would end the
  // process.
  pool.on('error', () => {})
  retireWhenReadOnly(pool)
  return pool
}

/** Named statements save PostgreSQL a third of its work; {@link statementNames} bounds them. */
export function serverAdapter(pool: pg.Pool, databaseUrl: string): PrismaPg {
  const { schema, namedStatements = NAMED_STATEMENTS } = readPostgresUrl(databaseUrl)
  return new PrismaPg(pool, { schema, statementNameGenerator: statementNames(namedStatements) })
}

/**
 * Names the first `limit` different statements. PostgreSQL and pg keep every named statement for the life of
 * the connection, so the rest stay nameless, which is '' to pg.
 */
export function statementNames(limit: number): (query: { sql: string }) => string {
  const names = new Map<string, string>()
  return ({ sql }) => {
    const known = names.get(sql)
    if (known !== undefined) return known
    if (names.size >= limit) return ''
    const name = `parley_${String(names.size)}`
    names.set(sql, name)
    return name
  }
}

export type LockedMigration = {
  factory: SqlMigrationAwareDriverAdapterFactory
  /**
   * Keeps all that `work` does through the factory, or none of it if it throws or is killed. No other instance
   * migrates meanwhile.
   */
  transaction<T>(work: () => Promise<T>): Promise<T>
  release(): Promise<void>
}

/**
 * A pool of one connection, whose transactions exclude each other on all instances. The lock belongs to the
 * transaction: a lock of the session would stay behind in a pooler, in the session of the next client.
 */
export async function openServerForMigration(databaseUrl: string): Promise<LockedMigration> {
  const url = readPostgresUrl(databaseUrl)
  const patience = { statementMs: MIGRATION_MS, idleInTransactionMs: MIGRATION_MS }
  const pool = createPool(url, { max: 1, min: 0 }, patience)
  pool.options.idleTimeoutMillis = 0
  const run = runIn(pool)
  const transact = transactionBy(run)
  const transaction = <T>(work: () => Promise<T>) =>
    transact(async () => {
      await run(lockOf(url))
      return work()
    })
  try {
    await transaction(() => makeSchema(run, url))
  } catch (error) {
    await pool.end()
    throw error
  }
  return {
    factory: migrationAdapter(pool, url),
    transaction,
    release: () => pool.end(),
  }
}

/** Installations in other schemas of the database migrate independently. */
function lockOf({ schema }: PostgresUrl): string {
  // Older versions know no schema, and lock only the first number.
  const numbers =
    schema === 'public'
      ? String(MIGRATION_LOCK)
      : `${String(MIGRATION_LOCK)}, hashtext(${pg.escapeLiteral(schema)})`
  return `SELECT pg_advisory_xact_lock(${numbers})`
}

/** IF NOT EXISTS alone requires the right to create a schema even where it exists. */
async function makeSchema(run: ReturnType<typeof runIn>, { schema }: PostgresUrl): Promise<void> {
  const name = pg.escapeLiteral(schema)
  const { rowCount } = await run(`SELECT FROM pg_namespace WHERE nspname = ${name}`)
  if (rowCount !== 0) return
  try {
    await run(`CREATE SCHEMA IF NOT EXISTS ${pg.escapeIdentifier(schema)}`)
  } catch (cause) {
    if ((cause as { code?: string }).code !== '42501') throw cause
    const message = `The schema ${schema} does not exist, and the user in DATABASE_URL may not make it: CREATE SCHEMA ${pg.escapeIdentifier(schema)} AUTHORIZATION that user.`
    throw new StartRefused(message, { cause })
  }
}

/** `pool.query` would close the connection of a statement that fails, and the transaction with it. */
function runIn(pool: pg.Pool): (sql: string) => Promise<pg.QueryResult> {
  return async (sql) => {
    const client = await pool.connect()
    // A connection that breaks fails the waiting statement; without a listener, it would end the process.
    const ignore = (): void => {}
    client.on('error', ignore)
    try {
      return await client.query(sql)
    } finally {
      client.release()
      client.off('error', ignore)
    }
  }
}

// The executeScript of PrismaPg splits the script at every semicolon, even in the body of a function;
// whole, it is also one transaction.
function migrationAdapter(
  pool: pg.Pool,
  { schema }: PostgresUrl,
): SqlMigrationAwareDriverAdapterFactory {
  const original = new PrismaPg(pool, { schema })
  return {
    provider: 'postgres',
    adapterName: original.adapterName,
    connectToShadowDb: refuseShadowDatabase,
    async connect() {
      const executeScript = scriptRunner(undoing(runIn(pool)))
      const adapter = await original.connect()
      const queryRaw = adapter.queryRaw.bind(adapter)
      const executeRaw = adapter.executeRaw.bind(adapter)
      return Object.assign(adapter, {
        executeScript,
        queryRaw: (query: SqlQuery) => queryRaw(lockingForTransaction(query)),
        executeRaw: (query: SqlQuery) => executeRaw(lockingForTransaction(query)),
      })
    },
  }
}

/** The engine takes a lock of its own, which belongs to the session, and never releases it. */
function lockingForTransaction(query: SqlQuery): SqlQuery {
  return { ...query, sql: query.sql.replace('pg_advisory_lock(', 'pg_advisory_xact_lock(') }
}
