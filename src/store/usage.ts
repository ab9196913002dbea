import { Prisma, type PrismaClient } from '../../generated/prisma/client.ts'
import { present } from './rows.ts'

/** Tokens that nobody counted are 0 here: the sums are over what is known. */
export type UsageBucket = {
  /** In UTC, the full hour or midnight. */
  startAt: Date
  /** Generations that ended. */
  requests: number
  /** Answers with text that was kept. */
  messages: number
  inputTokens: number
  outputTokens: number
  totalTokens: number
}

export type UsageQuery = {
  /** Left out, of everybody. */
  accountId?: string
  /** Included. */
  from: Date
  /** Not included. */
  to: Date
  granularity: 'hour' | 'day'
}

/** What one answer took. */
export type UsageRecord = {
  generationId: string
  at: Date
  inputTokens?: number
  outputTokens?: number
  totalTokens?: number
  source?: 'upstream' | 'estimated'
}

/** What was generated; it outlives the messages. */
export const usageStore = (prisma: PrismaClient) => ({
  /** The buckets that hold anything, oldest first. */
  async report({ accountId, from, to, granularity }: UsageQuery): Promise<UsageBucket[]> {
    return prisma.$queryRaw<UsageBucket[]>`
      SELECT date_trunc(${granularity}::text, at, 'UTC') AS "startAt",
        count(*)::int AS requests, sum(answered)::int AS messages,
        coalesce(sum(input_tokens), 0)::float8 AS "inputTokens",
        coalesce(sum(output_tokens), 0)::float8 AS "outputTokens",
        coalesce(sum(total_tokens), 0)::float8 AS "totalTokens"
      FROM usage_records
      WHERE at >= ${from}::timestamptz AND at < ${to}::timestamptz
        ${accountId === undefined ? Prisma.empty : Prisma.sql`AND account_id = ${accountId}::uuid`}
      GROUP BY 1 ORDER BY 1`
  },

  /** One record for each generation, oldest first; `after` the last one seen. */
  async list(page: {
    accountId: string
    limit: number
    after?: Pick<UsageRecord, 'at' | 'generationId'>
  }): Promise<UsageRecord[]> {
    const { accountId, limit, after } = page
    const rows = await prisma.usageRecord.findMany({
      where: {
        accountId,
        ...(after && {
          // Says nothing more than the next line, but an index can begin there.
          at: { gte: after.at },
          OR: [
            { at: { gt: after.at } },
            { at: after.at, generationId: { gt: after.generationId } },
          ],
        }),
      },
      orderBy: [{ at: 'asc' }, { generationId: 'asc' }],
      take: limit,
      omit: { accountId: true, answered: true },
    })
    return rows.map(present)
  },
})
