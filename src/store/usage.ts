import { Prisma } from '../../generated/prisma/client.ts'
import { present } from './rows.ts'
import type { Client } from './database/query.ts'

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
export const usageStore = ({ prisma, query }: Client) => ({
  /**
   * The buckets that hold anything, oldest first. However much there is, what is read are sums of
   * hours, and of the first and the last hour the records that lie outside the span: they are taken
   * off again.
   */
  async report(asked: UsageQuery): Promise<UsageBucket[]> {
    const { from, to, granularity } = asked
    const { hours, records } = sourcesOf(asked)
    return query<UsageBucket[]>`
      SELECT date_trunc(${granularity}::text, hour, 'UTC') AS "startAt",
        sum(requests)::int AS requests, sum(messages)::int AS messages,
        sum(input_tokens)::float8 AS "inputTokens", sum(output_tokens)::float8 AS "outputTokens",
        sum(total_tokens)::float8 AS "totalTokens"
      FROM (
        SELECT hour, requests, messages, input_tokens, output_tokens, total_tokens FROM ${hours}
          AND hour >= date_trunc('hour', ${from}::timestamptz, 'UTC') AND hour < ${to}::timestamptz
        UNION ALL
        SELECT at, ${lessOne} FROM ${records}
          AND at >= date_trunc('hour', ${from}::timestamptz, 'UTC') AND at < ${from}::timestamptz
        UNION ALL
        SELECT at, ${lessOne} FROM ${records}
          AND at >= ${to}::timestamptz
          AND at < date_trunc('hour', ${to}::timestamptz + ${ALMOST_AN_HOUR}::interval, 'UTC')
      ) AS part
      GROUP BY 1 HAVING sum(requests) > 0 ORDER BY 1`
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

/** A time and this, cut down to the hour, is the next full hour, or the time itself if it is one. */
const ALMOST_AN_HOUR = '3599.999 seconds'

/** One record less. */
const lessOne = Prisma.sql`-1, -answered, -coalesce(input_tokens, 0), -coalesce(output_tokens, 0),
  -coalesce(total_tokens, 0)`

/** The sums of hours and the records that they are made of, each for a condition to follow. */
function sourcesOf({ accountId }: UsageQuery): { hours: Prisma.Sql; records: Prisma.Sql } {
  if (accountId === undefined) {
    return {
      hours: Prisma.sql`server_usage_hours WHERE true`,
      records: Prisma.sql`usage_records WHERE true`,
    }
  }
  const whose = Prisma.sql`WHERE account_id = ${accountId}::uuid`
  return {
    hours: Prisma.sql`account_usage_hours ${whose}`,
    records: Prisma.sql`usage_records ${whose}`,
  }
}
