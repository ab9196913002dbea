import type { Database } from '../../../src/store/database/database.ts'

/** Returns every stored row, to prove that nothing was written. */
export async function databaseDump({ prisma }: Database): Promise<string> {
  const rows = await Promise.all([
    prisma.account.findMany({ orderBy: { id: 'asc' } }),
    prisma.session.findMany({ orderBy: { id: 'asc' } }),
    prisma.conversation.findMany({ orderBy: { id: 'asc' } }),
    prisma.message.findMany({ orderBy: { id: 'asc' } }),
    prisma.generation.findMany({ orderBy: { id: 'asc' } }),
    prisma.usageRecord.findMany({ orderBy: { generationId: 'asc' } }),
    prisma.feedback.findMany({ orderBy: { id: 'asc' } }),
    // `lastUsedAt` is written later, whatever the key was used for.
    prisma.apiKey.findMany({ orderBy: { id: 'asc' }, omit: { hash: true, lastUsedAt: true } }),
    prisma.auditEvent.findMany({ orderBy: { id: 'asc' } }),
    prisma.idempotencyKey.findMany({ orderBy: { resourceId: 'asc' } }),
  ])
  return JSON.stringify(rows)
}
