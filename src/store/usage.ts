import type { PrismaClient } from '../../generated/prisma/client.ts'

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
  accountId: string
  /** Included. */
  from: Date
  /** Not included. */
  to: Date
  granularity: 'hour' | 'day'
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
      WHERE account_id = ${accountId}::uuid
        AND at >= ${from}::timestamptz AND at < ${to}::timestamptz
      GROUP BY 1 ORDER BY 1`
  },
})
