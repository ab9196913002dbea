import type { Client } from '../database/query.ts'
import * as statements from './statements.ts'

/** Rows that one statement removes: a statement has 5 s, and an account may own a million. */
const ROWS_AT_ONCE = 5_000
const CONVERSATIONS_AT_ONCE = 1_000

async function list({ prisma }: Client): Promise<{ id: string; closedAt: Date }[]> {
  const rows = await prisma.account.findMany({
    where: { closedAt: { not: null } },
    select: { id: true, closedAt: true },
  })
  return rows.map(({ id, closedAt }) => ({ id, closedAt: closedAt! }))
}

/** Removes some of what the account owned; false when nothing is left. */
async function sweep({ prisma }: Client, id: string): Promise<boolean> {
  const messages = await statements.removeMessages(prisma, {
    ownerId: id,
    conversations: CONVERSATIONS_AT_ONCE,
    rows: ROWS_AT_ONCE,
  })
  if (messages === ROWS_AT_ONCE) return true
  const conversations = await statements.removeConversations(prisma, {
    ownerId: id,
    rows: CONVERSATIONS_AT_ONCE,
  })
  const keys = await statements.removeIdempotencyKeys(prisma, { accountId: id, rows: ROWS_AT_ONCE })
  await prisma.openStream.deleteMany({ where: { accountId: id } })
  return conversations === CONVERSATIONS_AT_ONCE || keys === ROWS_AT_ONCE
}

/** Takes some of its usage from the account; false when it had none left. */
async function disownUsage({ prisma }: Client, id: string): Promise<boolean> {
  return (await statements.disownUsage(prisma, { accountId: id, rows: ROWS_AT_ONCE })) > 0
}

/** Removes the account itself; the usage that it left stays, without an owner. */
async function remove({ prisma }: Client, id: string): Promise<void> {
  await prisma.account.deleteMany({ where: { id, closedAt: { not: null } } })
}

/** What closed accounts have left behind. */
export const closedAccountVerbs = { list, sweep, disownUsage, remove }
