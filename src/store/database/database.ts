import { PrismaPGlite } from 'pglite-prisma-adapter'
import { PrismaClient } from '../../../generated/prisma/client.ts'
import type { Connections } from '../../ports/observability/meter.ts'
import {
  type Embedded,
  type EmbeddedOptions,
  lockEmbeddedForMigration,
  openEmbedded,
} from './embedded.ts'
import { type Query, queryBy } from './query.ts'
import {
  openPool,
  openServerForMigration,
  serverAdapter,
  type LockedMigration,
  type ServerOptions,
} from './server.ts'

/** Prisma's longer messages quote the values of a query. */
const QUIET = { errorFormat: 'minimal' } as const

/** With `databaseUrl` a PostgreSQL server, else PGlite in `dataDir`, else PGlite in memory. */
export type DatabaseOptions = EmbeddedOptions & Partial<ServerOptions>

export type Database = {
  prisma: PrismaClient
  /** Outside of any transaction. */
  query: Query
  /** Only one process at a time has it, so what is running at the start was abandoned. */
  embedded: boolean
  /** An adapter for the schema engine, whose transactions have the database alone. */
  lockForMigration(): Promise<LockedMigration>
  /** Of the pool to a server; undefined for the embedded database, which has none. */
  connections(): Connections | undefined
  close(): Promise<void>
}

/**
 * Opens the database; on a server no connection is made yet.
 * @throws when another process has the embedded directory open.
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { databaseUrl } = options
  if (databaseUrl === undefined) return embeddedDatabase(await openEmbedded(options))
  return openServerDatabase({ ...options, databaseUrl })
}

/** @param embedded is closed with the database */
export function embeddedDatabase({ pglite, close }: Embedded): Database {
  const adapter = new PrismaPGlite(pglite)
  const prisma = new PrismaClient({ adapter, ...QUIET })
  return {
    prisma,
    query: queryBy(() => adapter.connect()),
    embedded: true,
    lockForMigration: async () => lockEmbeddedForMigration(pglite),
    connections: () => undefined,
    async close() {
      await prisma.$disconnect()
      await close()
    },
  }
}

function openServerDatabase(options: ServerOptions): Database {
  const pool = openPool(options)
  const adapter = serverAdapter(pool, options.databaseUrl)
  const prisma = new PrismaClient({ adapter, ...QUIET })
  return {
    prisma,
    query: queryBy(() => adapter.connect()),
    embedded: false,
    lockForMigration: () => openServerForMigration(options.databaseUrl),
    connections: () => ({
      idle: pool.idleCount,
      busy: pool.totalCount - pool.idleCount,
      waiting: pool.waitingCount,
      most: pool.options.max,
    }),
    async close() {
      await prisma.$disconnect()
      if (!pool.ended) await pool.end()
    },
  }
}

/** The time by the clock of the database. */
export async function timeOf({ query }: Database): Promise<Date> {
  const [row] = await query<[{ now: Date }]>`SELECT clock_timestamp() AS now`
  return row.now
}

/**
 * Makes one round trip, which only a database that can be written answers; it locks nothing. The caller
 * bounds how long it may take.
 */
export async function ping({ query }: Database): Promise<void> {
  await query`SELECT 1 AS found FROM open_streams WHERE false FOR UPDATE`
}
