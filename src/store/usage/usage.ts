import type { Client } from '../database/query.ts'
import { present } from '../rows.ts'
import * as statements from './statements.ts'
import type { UsageBucket, UsageQuery, UsageRecord } from './usage-record.ts'

/** The buckets that are not empty, oldest first. */
async function report({ query }: Client, asked: UsageQuery): Promise<UsageBucket[]> {
  return statements.report(query, asked)
}

type Page = {
  accountId: string
  limit: number
  after?: Pick<UsageRecord, 'at' | 'generationId'>
}

/** Lists one record for each generation, oldest first; `after` is the last one seen. */
async function list({ prisma }: Client, page: Page): Promise<UsageRecord[]> {
  const { accountId, limit, after } = page
  const rows = await prisma.usageRecord.findMany({
    where: {
      accountId,
      ...(after && {
        // Implied by the next line, but an index scan can start there.
        at: { gte: after.at },
        OR: [{ at: { gt: after.at } }, { at: after.at, generationId: { gt: after.generationId } }],
      }),
    },
    orderBy: [{ at: 'asc' }, { generationId: 'asc' }],
    take: limit,
    omit: { accountId: true, answered: true },
  })
  return rows.map(present)
}

/** What was generated; it outlives the messages. */
export const usageVerbs = { report, list }
