import { Prisma } from '../../../generated/prisma/client.ts'
import type { Query } from '../database/query.ts'
import type { UsageBucket, UsageQuery } from './usage-record.ts'

/**
 * However long the span is, this reads sums of hours, and of the first and the last hour the records
 * that lie outside the span, which it subtracts again.
 */
export function report(query: Query, asked: UsageQuery) {
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
}

/** A time plus this, truncated to the hour, is the next full hour, or the time itself if it is one. */
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
