import { Prisma } from '../../generated/prisma/client.ts'
import type { Searched } from './searching.ts'

/**
 * Bytes of text, in UTF-8, that what is read at once holds at the most. No single text is longer; of
 * ordinary ones a page of 100 is less. Reading, checking and writing so much takes some 5 ms, which
 * is what everybody else then waits for.
 */
export const PAGE_BYTES = 262_144

/** A row of `withinPageBytes`. */
export type TextRow<T> = T & { isFollowed: boolean }

/**
 * For FROM: the first of the rows, in this order, as many as hold no more text than a page, one at
 * least. How long a text is the database knows without unpacking it.
 * @param rows a statement with a LIMIT, in this order
 */
export function withinPageBytes(
  rows: Prisma.Sql,
  { text, order }: { text: Prisma.Sql; order: Prisma.Sql },
): Prisma.Sql {
  return Prisma.sql`(
    SELECT * FROM (
      SELECT *, coalesce(octet_length(${text}), 0) AS "textBytes",
        sum(coalesce(octet_length(${text}), 0)) OVER so_far AS "bytesSoFar",
        lead(true) OVER so_far IS NOT NULL AS "isFollowed"
      FROM (${rows}) AS asked
      WINDOW so_far AS (ORDER BY ${order} ROWS UNBOUNDED PRECEDING)
    ) AS measured
    WHERE "bytesSoFar" <= ${PAGE_BYTES}::int OR "bytesSoFar" = "textBytes"
  )`
}

/** The things of such rows; if the page ended before all that was asked for, where to go on. */
export function toTextPage<Row extends object, T>(
  rows: readonly TextRow<Row>[],
  toThing: (row: Row) => T,
): Searched<T> {
  const found = rows.map(({ isFollowed: _isFollowed, ...row }) => toThing(row as unknown as Row))
  const last = found.at(-1)
  return {
    found,
    ...(rows.at(-1)?.isFollowed && last !== undefined && { lookedUpTo: last }),
  }
}
