import { PrismaPg } from '@prisma/adapter-pg'
import type { SqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils'
import pg from 'pg'
import { type PostgresUrl, readPostgresUrl } from '../ports/postgres-url.ts'
import { StartRefused } from '../ports/start-refused.ts'
import {
  refuseShadowDatabase,
  type Run,
  scriptRunner,
  transactionBy,
  undoing,
} from './migration-script.ts'
import { clientFor, connectionOptions, quotedName, searchPath } from './server-connection.ts'

export type ServerOptions = {
  databaseUrl: string
  /** Connections at most; unless told what the URL says, 10 if it says nothing. */
  maxConnections?: number
  /** Connections that stay open when there is nothing to do, none unless told. */
  minConnections?: number
  /** How long a statement may take, 5 s unless told. */
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

// 'parl' in ASCII; every instance asks PostgreSQL for the same number.
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
  return createPool(url, size, options.statementMs ?? STATEMENT_MS)
}

type Size = { max: number; min: number }

function createPool(url: PostgresUrl, size: Size, statementMs: number): pg.Pool {
  const pool = new pg.Pool({
    ...connectionOptions(url),
    Client: clientFor(url),
    ...size,
    connectionTimeoutMillis: url.connectMs ?? CONNECT_MS,
    statement_timeout: statementMs,
    // The server's own timeout cannot be heard over a dead network.
    query_timeout: statementMs + 1_000,
    // The adapter reads and writes times as if the session's zone were UTC.
    // eslint-disable-next-line @typescript-eslint/no-misused-promises -- pg waits for it
    onConnect: async (client) => {
      await client.query(`SET TIME ZONE 'UTC'; ${searchPath(url)}`)
    },
  })
  // A connection that breaks while idle is replaced by the pool; unheard, 'error' would end
  // the process.
  pool.on('error', () => {})
  return pool
}

/** Named statements save PostgreSQL a third of its work; see statementNames for the bound. */
export function serverAdapter(pool: pg.Pool, databaseUrl: string): PrismaPg {
  const { schema, namedStatements = NAMED_STATEMENTS } = readPostgresUrl(databaseUrl)
  return new PrismaPg(pool, { schema, statementNameGenerator: statementNames(namedStatements) })
}

/**
 * Names the first `limit` different statements. PostgreSQL and pg keep every named statement
 * per connection for good, so the rest stay nameless ('' is that to pg).
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
  /** All that `work` does through the factory is kept, or none of it if it throws or is killed. */
  transaction<T>(work: () => Promise<T>): Promise<T>
  release(): Promise<void>
}

/**
 * Waits for the lock that lets one instance migrate. The pool has one connection, and what
 * the engine does runs on the very connection that holds the lock; closing it frees the lock.
 */
export async function lockServerForMigration(databaseUrl: string): Promise<LockedMigration> {
  const url = readPostgresUrl(databaseUrl)
  const pool = createPool(url, { max: 1, min: 0 }, MIGRATION_MS)
  pool.options.idleTimeoutMillis = 0
  try {
    await lockSchema(pool, url)
    await makeSchema(pool, url)
  } catch (error) {
    await pool.end()
    throw error
  }
  return {
    factory: migrationAdapter(pool, url),
    transaction: transactionBy(runIn(pool)),
    release: () => pool.end(),
  }
}

/** Parleys in other schemas of the database migrate by themselves. */
async function lockSchema(pool: pg.Pool, { schema }: PostgresUrl): Promise<void> {
  // Older versions know no schema and no second number.
  if (schema === 'public') await pool.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK])
  else await pool.query('SELECT pg_advisory_lock($1, hashtext($2))', [MIGRATION_LOCK, schema])
}

/** IF NOT EXISTS alone would ask even where it exists for the right to make one. */
async function makeSchema(pool: pg.Pool, { schema }: PostgresUrl): Promise<void> {
  const { rowCount } = await pool.query('SELECT FROM pg_namespace WHERE nspname = $1', [schema])
  if (rowCount !== 0) return
  try {
    await pool.query(`CREATE SCHEMA IF NOT EXISTS ${quotedName(schema)}`)
  } catch (cause) {
    if ((cause as { code?: string }).code !== '42501') throw cause
    const message = `The schema ${schema} does not exist, and the user in DATABASE_URL may not make it: CREATE SCHEMA ${quotedName(schema)} AUTHORIZATION that user.`
    throw new StartRefused(message, { cause })
  }
}

/** `pool.query` would throw away the connection of a statement that fails, and the lock with it. */
function runIn(pool: pg.Pool): Run {
  return async (sql) => {
    const client = await pool.connect()
    // A connection that breaks fails the statement that is waiting; unheard, it ends the process.
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

// The original's executeScript cuts the script at every semicolon, those in a function's body
// too; whole, it is also one transaction.
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
      return Object.assign(await original.connect(), { executeScript })
    },
  }
}
