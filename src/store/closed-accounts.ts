import type { PrismaClient } from '../../generated/prisma/client.ts'

/** Rows that one statement removes: a statement has 5 s, and an account may own a million. */
const ROWS_AT_ONCE = 5_000

/** What closed accounts have left behind. */
export const closedAccountStore = (prisma: PrismaClient) => ({
  async list(): Promise<{ id: string; closedAt: Date }[]> {
    return prisma.$queryRaw<{ id: string; closedAt: Date }[]>`
      SELECT id, closed_at AS "closedAt" FROM accounts WHERE closed_at IS NOT NULL`
  },

  /** Removes some of what the account owned; false when there was nothing left. */
  async sweep(id: string): Promise<boolean> {
    const messages = await prisma.$executeRaw`
      DELETE FROM messages WHERE id IN (
        SELECT m.id FROM messages m JOIN conversations c ON c.id = m.conversation_id
        WHERE c.owner_id = ${id}::uuid LIMIT ${ROWS_AT_ONCE}::int
      )`
    if (messages > 0) return true
    const conversations = await prisma.$executeRaw`
      DELETE FROM conversations WHERE id IN (
        SELECT id FROM conversations WHERE owner_id = ${id}::uuid LIMIT ${ROWS_AT_ONCE}::int
      )`
    return conversations > 0
  },

  /** Removes the last of it; its usage stays, of nobody. */
  async remove(id: string): Promise<void> {
    await prisma.account.deleteMany({ where: { id, closedAt: { not: null } } })
  },
})
