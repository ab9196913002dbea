import type { PrismaClient } from '../../generated/prisma/client.ts'
import { accountSearch } from './account-search.ts'
import { accountStore } from './accounts.ts'
import { apiKeyStore } from './api-keys.ts'
import { auditEventStore } from './audit-events.ts'
import { closedAccountStore } from './closed-accounts.ts'
import { conversationSearch } from './conversation-search.ts'
import { conversationStore } from './conversations.ts'
import { retryingConflicts } from './database/conflicts.ts'
import {
  openDatabase,
  ping,
  timeOf,
  type Database,
  type DatabaseOptions,
} from './database/database.ts'
import { feedbackStore } from './feedback.ts'
import { generationStore } from './generations.ts'
import { idempotencyKeyStore } from './idempotency-keys.ts'
import { messageStore } from './messages.ts'
import { migrate, requireMigrated } from './migrations/migrate.ts'
import { checkSchema } from './migrations/schema-check.ts'
import { openStreamStore } from './open-streams.ts'
import { type Client, queryIn } from './database/query.ts'
import { sessionStore } from './sessions.ts'
import { standingStore } from './standings.ts'
import { guarded, guardedCall, type Guarding } from './database/unavailable.ts'
import { usageStore } from './usage.ts'

export { AccountClosed } from './account-closed.ts'
export type {
  Account,
  AccountFilter,
  NewAccount,
  PersonalLimits,
  Preferences,
  ProfileChanges,
  Role,
} from './accounts.ts'
export type { ApiKey, HeldApiKey } from './api-keys.ts'
export type { AuditEvent, AuditFilter } from './audit-events.ts'
export type { Conversation, ConversationChanges, ConversationFilter } from './conversations.ts'
export type { DatabaseOptions } from './database/database.ts'
export type { Feedback } from './feedback.ts'
export type { Ending } from './generation-ending.ts'
export type { NewGeneration, Start } from './generation-start.ts'
export type { Generation, GenerationStatus, KeptGeneration, Renewed } from './generations.ts'
export type { KeptAnswer, KeptCall, KeyName } from './idempotency-keys.ts'
export type { HistoryEntry, Message, MessageRole, MessageStatus, Usage } from './messages.ts'
export { MigrationFailed } from './migrations/migrate.ts'
export type { PagePosition } from './rows.ts'
export type { Searched } from './searching.ts'
export type { NewSession, Rotation, Session } from './sessions.ts'
export type { AccountChanges, Standing } from './standings.ts'
export { refusalByDatabase } from './database/start-failures.ts'
export { DatabaseUnavailable } from './database/unavailable.ts'
export type { UsageBucket, UsageQuery, UsageRecord } from './usage.ts'

/**
 * Everything that is remembered. Every function throws DatabaseUnavailable when the database
 * itself fails, and AccountClosed where it would write for an account that is closed; ids and times come from the caller; an absent value is an absent property.
 */
export type Store = ReturnType<typeof storeOf>

/**
 * Opens the database and brings it to the newest migration.
 * @throws DatabaseUnavailable, MigrationFailed; StartRefused for what else keeps it from being used
 */
export async function openStore(options: DatabaseOptions): Promise<Store> {
  return openPrepared(options, migrate)
}

/**
 * The same for a command beside servers: they may be of another version, so nothing is migrated.
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
  // A pooler can be set to let no transaction through, which shows at the first.
  if (!database.embedded) await database.prisma.$transaction((own) => own.$executeRaw`SELECT 1`)
  await bring(database)
  return checkSchema(database)
}

/** A transaction waits so long for its turn, and may take so long, in milliseconds. */
const TRANSACTION = { maxWait: 2_000, timeout: 8_000 }

/** A transaction is undone as a whole: what is part of one is not tried again by itself. */
const alone: Guarding = (call) => guardedCall(() => retryingConflicts(call))

/**
 * The store on a database that is open and migrated.
 * @param newerMigrations those of it that this version does not know
 */
export function storeOf(database: Database, newerMigrations: readonly string[] = []) {
  const { prisma, query, embedded } = database
  return {
    /** No other process has the database: what runs at the start was abandoned. */
    embedded,
    ...nounsOf({ prisma, query }, alone),
    ...guarded({
      /** Resolves when the database has answered. */
      ping: () => ping(database),
      /** The one time that all instances share. */
      now: () => timeOf(database),
    }),

    /**
     * All that `work` does through the nouns it is given is kept, or none of it if it throws. It must
     * do nothing else that takes long: the embedded database serves nobody else meanwhile. And nothing
     * else that counts: where two transactions stand in each other's way it is called again.
     */
    atomically<T>(work: (nouns: Nouns) => Promise<T>): Promise<T> {
      const run = (transaction: unknown) => {
        const within = transaction as PrismaClient
        return work(nounsOf({ prisma: within, query: queryIn(within) }, guardedCall))
      }
      return alone(() => prisma.$transaction(run, TRANSACTION))
    },

    /** What a newer version than this has done to the schema, as it was at the start. */
    newerMigrations: () => newerMigrations,

    /** Of the pool to a server; undefined for the embedded database. */
    connections: () => database.connections(),

    close: () => database.close(),
  }
}

/** What is remembered, one noun for each table or so. */
export type Nouns = ReturnType<typeof nounsOf>

function nounsOf(client: Client, guarding: Guarding) {
  return {
    accounts: guarded({ ...accountStore(client), ...accountSearch(client) }, guarding),
    standings: guarded(standingStore(client), guarding),
    closedAccounts: guarded(closedAccountStore(client), guarding),
    sessions: guarded(sessionStore(client), guarding),
    apiKeys: guarded(apiKeyStore(client), guarding),
    auditEvents: guarded(auditEventStore(client), guarding),
    conversations: guarded(
      { ...conversationStore(client), ...conversationSearch(client) },
      guarding,
    ),
    messages: guarded(messageStore(client), guarding),
    openStreams: guarded(openStreamStore(client), guarding),
    idempotencyKeys: guarded(idempotencyKeyStore(client), guarding),
    generations: guarded(generationStore(client), guarding),
    usage: guarded(usageStore(client), guarding),
    feedback: guarded(feedbackStore(client), guarding),
  }
}
