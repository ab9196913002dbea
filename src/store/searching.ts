import { Prisma } from '../../generated/prisma/client.ts'
import type { Query } from './database/query.ts'

/**
 * How many rows one search looks at. No index finds a text of any length within a text, in any language
 * (docs/decisions/0014), so each row has to be looked at: these take about 10 ms.
 */
export const LOOKED_AT_ONCE = 5_000

/** What one search has found in the part that it looked at. */
export type Searched<T> = {
  found: T[]
  /** The last row that was looked at, found or not, if there may be more to find after it. */
  lookedUpTo?: T
}

/** A row that was found, or the one that the search ended at, or both. */
type SearchedRow<T> = T & { isFound: boolean; isLast: boolean }

/** A list to search: a table under an alias, its columns, and the conditions and order of the list. */
export type SearchedList = {
  columns: Prisma.Sql
  table: Prisma.Sql
  alias: Prisma.Sql
  conditions: Prisma.Sql
  order: Prisma.Sql
}

/**
 * The rows of a list that are found, and the last one that was looked at. The window bounds how many
 * rows are compared, whatever is found; docs/decisions/0014.
 */
export function search<T>(
  query: Query,
  { columns, table, alias, conditions, order }: SearchedList,
  { isFound, limit }: { isFound: Prisma.Sql; limit: number },
) {
  const isLast = Prisma.sql`${alias}.place = ${LOOKED_AT_ONCE}::int`
  return query<SearchedRow<T>[]>`
    SELECT ${columns}, ${isFound} AS "isFound", ${isLast} AS "isLast"
    FROM (
      SELECT *, row_number() OVER (ORDER BY ${order}) AS place
      FROM ${table} ${alias} WHERE ${conditions} ORDER BY ${order} LIMIT ${LOOKED_AT_ONCE}::int
    ) AS ${alias}
    WHERE ${isFound} OR ${isLast}
    ORDER BY ${order} LIMIT ${limit}::int`
}

export function toSearched<T extends object>(rows: SearchedRow<T>[]): Searched<T> {
  const found = rows.filter(({ isFound }) => isFound).map((row) => bare(row))
  const last = rows.find(({ isLast }) => isLast)
  return { found, ...(last && { lookedUpTo: bare(last) }) }
}

function bare<T extends object>(row: SearchedRow<T>): T {
  const { isFound: _found, isLast: _last, ...rest } = row
  return rest as unknown as T
}
