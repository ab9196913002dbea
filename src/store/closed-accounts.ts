import type { PrismaClient } from '../../generated/prisma/client.ts'
import type { Client } from './database/query.ts'

/** Rows that one statement removes: a statement has 5 s, and an account may own a million. */
const ROWS_AT_ONCE = 5_000
const CONVERSATIONS_AT_ONCE = 1_000

/** What closed accounts have left behind. */
export const closedAccountStore = ({ prisma, query }: Client) => ({
  async list(): Promise<{ id: string; closedAt: Date }[]> {
    return query<{ id: string; closedAt: Date }[]>`
      SELECT id, closed_at AS "closedAt" FROM accounts WHERE closed_at IS NOT NULL`
  },

  /** Removes some of what the account owned; false when nothing is left. */
  async sweep(id: string): Promise<boolean> {
    if ((await removeMessages(prisma, id)) === ROWS_AT_ONCE) return true
    const conversations = await prisma.$executeRaw`
      DELETE FROM conversations WHERE id IN (
        SELECT id FROM conversations WHERE owner_id = ${id}::uuid
        ORDER BY id LIMIT ${CONVERSATIONS_AT_ONCE}::int
      )`
    const keys = await prisma.$executeRaw`
      DELETE FROM idempotency_keys WHERE account_id = ${id}::uuid AND (operation_id, key) IN (
        SELECT operation_id, key FROM idempotency_keys WHERE account_id = ${id}::uuid
        LIMIT ${ROWS_AT_ONCE}::int
      )`
    await prisma.openStream.deleteMany({ where: { accountId: id } })
    return conversations === CONVERSATIONS_AT_ONCE || keys === ROWS_AT_ONCE
  },

  /**
   * Takes some of its usage from the account; false when it had none left. Its sums go first: a report
   * of an account takes off them what its records tell.
   */
  async disownUsage(id: string): Promise<boolean> {
    const records = await prisma.$executeRaw`
      WITH sums AS (DELETE FROM account_usage_hours WHERE account_id = ${id}::uuid)
      UPDATE usage_records SET account_id = NULL WHERE generation_id IN (
        SELECT generation_id FROM usage_records WHERE account_id = ${id}::uuid
        LIMIT ${ROWS_AT_ONCE}::int
      )`
    return records > 0
  },

  /** Removes the last of it; what is left of its usage stays, of nobody. */
  async remove(id: string): Promise<void> {
    await prisma.account.deleteMany({ where: { id, closedAt: { not: null } } })
  },
})

/** Of the first conversations, each of which is locked before its messages, as by whoever answers in it. */
function removeMessages(prisma: PrismaClient, ownerId: string): Promise<number> {
  return prisma.$executeRaw`
    WITH held AS (
      SELECT id FROM conversations WHERE owner_id = ${ownerId}::uuid
      ORDER BY id LIMIT ${CONVERSATIONS_AT_ONCE}::int FOR UPDATE
    )
    DELETE FROM messages WHERE id IN (
      SELECT m.id FROM messages m JOIN held ON held.id = m.conversation_id
      LIMIT ${ROWS_AT_ONCE}::int
    )`
}
