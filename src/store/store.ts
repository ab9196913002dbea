/*
 * What the rest of the program knows of the store: how it is opened, its errors, and the types of each noun.
 */

export { openMigratedStore, openStore, storeOf, type Store } from './open-store.ts'
export type { Nouns } from './nouns.ts'
export type { DatabaseOptions } from './database/database.ts'

export { AccountClosed } from './account-closed.ts'
export { refusalByDatabase } from './database/start-failures.ts'
export { DatabaseUnavailable } from './database/unavailable.ts'
export { MigrationFailed } from './migrations/migrate.ts'

export type * from './accounts/account.ts'
export type { AccountChanges, Standing } from './accounts/standings.ts'
export type * from './api-keys/api-key.ts'
export type { AuditEvent, AuditFilter } from './audit-events/audit-events.ts'
export type * from './conversations/conversation.ts'
export type { Feedback } from './feedback/stored-feedback.ts'
export type { Ending } from './generations/ending.ts'
export type {
  Generation,
  GenerationStatus,
  KeptGeneration,
  Renewed,
} from './generations/generation.ts'
export type { NewGeneration, Start } from './generations/new-generation.ts'
export type { KeptReply, KeptCall, KeyName } from './idempotency-keys/kept-call.ts'
export type {
  HistoryEntry,
  Message,
  MessageRole,
  MessageStatus,
  Usage,
} from './messages/message.ts'
export type * from './sessions/session.ts'
export type * from './usage/usage-record.ts'

export type { PagePosition } from './rows.ts'
export type { Searched } from './searching.ts'
