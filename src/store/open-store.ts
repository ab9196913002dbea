import type { PrismaClient } from '../../generated/prisma/client.ts'
import { retryingConflicts } from './database/conflicts.ts'
import {
  openDatabase,
  ping,
  timeOf,
  type Database,
  type DatabaseOptions,
} from './database/database.ts'
import { queryIn } from './database/query.ts'
import { guarded, guardedCall, type Guarding } from './database/unavailable.ts'
import { migrate, requireMigrated } from './migrations/migrate.ts'
import { checkSchema } from './migrations/schema-check.ts'
import { type Nouns, nounsOf } from './nouns.ts'

/**
 * Everything that is stored. Every function throws DatabaseUnavailable when the database itself fails, and
 * AccountClosed where it would write for a closed account. Ids and times come from the caller; an absent
 * value is an absent property.
 */
export type Store = ReturnType<typeof storeOf>

/**
 * Opens the database and applies the migrations that it lacks.
 * @throws DatabaseUnavailable, MigrationFailed; StartRefused where it cannot be used for another reason
 */
export async function openStore(options: DatabaseOptions): Promise<Store> {
  return openPrepared(options, migrate)
}

/**
 * The same for a command that runs beside servers: these may be of another version, so it migrates nothing.
 * @throws DatabaseUnavailable, MigrationFailed, StartRefused
 */
export async function openMigratedStore(options: DatabaseOptions): Promise<Store> {
  return openPrepared(options, requireMigrated)
}

async function openPrepared(
  options: DatabaseOptions,
  bring: (database: Database) => Promise<unknown>,
): Promise<Store> {
  const database = await openDatabase(options)
  const start = guarded({ prepare: () => prepare(database, bring) })
  try {
    return storeOf(database, await start.prepare())
  } catch (error) {
    await database.close()
    throw error
  }
}

async function prepare(
  database: Database,
  bring: (database: Database) => Promise<unknown>,
): Promise<string[]> {
  // Some poolers let no transaction through (pool_mode = statement): the first one shows it.
  if (!database.embedded) await database.prisma.$transaction((own) => own.$executeRaw`SELECT 1`)
  await bring(database)
  return checkSchema(database)
}

/** In milliseconds: how long a transaction waits for its turn, and how long it may take. */
const TRANSACTION = { maxWait: 2_000, timeout: 8_000 }

/** Retries a conflict. Not for a statement in a transaction: that is rolled back as a whole. */
const retried: Guarding = (call) => guardedCall(() => retryingConflicts(call))

/**
 * The store on a database that is open and migrated.
 * @param newerMigrations those in it that this version does not know
 */
export function storeOf(database: Database, newerMigrations: readonly string[] = []) {
  const { prisma, query, embedded } = database
  return {
    /** No other process has the database: what is running at the start was abandoned. */
    embedded,
    ...nounsOf({ prisma, query }, retried),
    ...guarded({
      /** Resolves once the database has answered. */
      ping: () => ping(database),
      /** The one time that all instances share. */
      now: () => timeOf(database),
    }),

    /**
     * Keeps all that `work` does through the nouns it is given, or none of it if it throws. `work` must do
     * nothing else that takes long, because the embedded database serves no other call meanwhile, and
     * nothing else that has an effect, because it is called again where two transactions conflict.
     */
    atomically<T>(work: (nouns: Nouns) => Promise<T>): Promise<T> {
      const run = (transaction: unknown) => {
        const within = transaction as PrismaClient
        return work(nounsOf({ prisma: within, query: queryIn(within) }, guardedCall))
      }
      return retried(() => prisma.$transaction(run, TRANSACTION))
    },

    /** The migrations of a newer version, as they were at the start. */
    newerMigrations: () => newerMigrations,

    /** Of the pool to a server; undefined for the embedded database. */
    connections: () => database.connections(),

    close: () => database.close(),
  }
}
