import { PrismaPg } from '@prisma/adapter-pg'
import type { SqlMigrationAwareDriverAdapterFactory, SqlQuery } from '@prisma/driver-adapter-utils'
import pg from 'pg'
import {
  refuseShadowDatabase,
  type Run,
  scriptRunner,
  transactionBy,
  undoing,
} from './migration-script.ts'
import { retireWhenReadOnly } from './read-only.ts'
import { beginSession } from './session.ts'
import { DEFAULT_SCHEMA, type Patience, sessionSettings } from './session-settings.ts'

export type ServerOptions = {
  databaseUrl: string
  /** Connections at most, 10 unless told. */
  maxConnections?: number
  /** Connections that stay open when there is nothing to do, none unless told. */
  minConnections?: number
  /** How long a statement may take, 5 s unless told. */
  statementMs?: number
  /** Where the tables are, `public` unless told. */
  schema?: string
}

const CONNECT_MS = 2_000
const STATEMENT_MS = 5_000
const MIGRATION_MS = 120_000
/** Longer than any transaction takes: one of a process that stands still lets go of its locks. */
const IDLE_IN_TRANSACTION_MS = 60_000

// 'parl' in ASCII; every instance asks PostgreSQL for the same number.
const MIGRATION_LOCK = 0x7061726c

/** A pool whose every wait is bounded: 2 s for a connection, 5 s or `statementMs` for a statement. */
export function openPool(options: ServerOptions): pg.Pool {
  const { maxConnections = 10, minConnections = 0, statementMs = STATEMENT_MS } = options
  const size = { max: maxConnections, min: minConnections }
  return createPool(options, size, { statementMs, idleInTransactionMs: IDLE_IN_TRANSACTION_MS })
}

type Size = { max: number; min: number }
type Where = Pick<ServerOptions, 'databaseUrl' | 'schema'>

function createPool(where: Where, size: Size, patience: Patience): pg.Pool {
  const settings = sessionSettings(where.schema ?? DEFAULT_SCHEMA, patience)
  const pool = new pg.Pool({
    connectionString: where.databaseUrl,
    ...size,
    application_name: 'parley',
    connectionTimeoutMillis: CONNECT_MS,
    // The server's own timeout cannot be heard over a dead network.
    query_timeout: patience.statementMs + 1_000,
    keepAlive: true,
    // Not by parameters of the start: PgBouncer refuses those that it does not know.
    // eslint-disable-next-line @typescript-eslint/no-misused-promises -- pg waits for it
    onConnect: (client) => beginSession(client, settings),
  })
  // A connection that breaks while idle is replaced by the pool; unheard, 'error' would end
  // the process.
  pool.on('error', () => {})
  retireWhenReadOnly(pool)
  return pool
}

/** Named statements save PostgreSQL a third of its work; see statementNames for the bound. */
export function serverAdapter(pool: pg.Pool): PrismaPg {
  return new PrismaPg(pool, { statementNameGenerator: statementNames(500) })
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
  /**
   * All that `work` does through the factory is kept, or none of it if it throws or is killed. No other
   * instance migrates meanwhile.
   */
  transaction<T>(work: () => Promise<T>): Promise<T>
  release(): Promise<void>
}

/**
 * A pool of one connection, whose transactions wait for each other's, on all instances. The lock is the
 * transaction's: a session's would stay behind in a pooler, in a session that is another client's next.
 */
export function openServerForMigration(where: Where): LockedMigration {
  const patience = { statementMs: MIGRATION_MS, idleInTransactionMs: MIGRATION_MS }
  const pool = createPool(where, { max: 1, min: 0 }, patience)
  pool.options.idleTimeoutMillis = 0
  const run = runIn(pool)
  const transaction = transactionBy(run)
  return {
    factory: migrationAdapter(pool),
    transaction: (work) =>
      transaction(async () => {
        await run(`SELECT pg_advisory_xact_lock(${String(MIGRATION_LOCK)})`)
        return work()
      }),
    release: () => pool.end(),
  }
}

/** `pool.query` would throw away the connection of a statement that fails, and the transaction with it. */
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
function migrationAdapter(pool: pg.Pool): SqlMigrationAwareDriverAdapterFactory {
  const original = new PrismaPg(pool)
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

/** The engine takes a lock of its own, of the session, and never gives it back. */
function lockingForTransaction(query: SqlQuery): SqlQuery {
  return { ...query, sql: query.sql.replace('pg_advisory_lock(', 'pg_advisory_xact_lock(') }
}
