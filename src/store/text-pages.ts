import { Prisma } from '../../generated/prisma/client.ts'
import type { Searched } from './searching.ts'

/**
 * The most bytes of text, in UTF-8, that one page holds. No single text is longer, and a page of 100
 * ordinary ones is shorter. To read, check and write this much takes some 5 ms, for which every other
 * call waits.
 */
export const PAGE_BYTES = 262_144

/** A row of `withinPageBytes`. */
export type TextRow<T> = T & { isFollowed: boolean }

/**
 * For FROM: the first of the rows, in this order, as many as hold no more text than a page, and at least
 * one. The database knows the length of a text without unpacking it.
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

/** What such rows hold; where to go on, if the page ended before all the rows that were asked for. */
export function toTextPage<Row extends object, T>(
  rows: readonly TextRow<Row>[],
  toItem: (row: Row) => T,
): Searched<T> {
  const found = rows.map(({ isFollowed: _isFollowed, ...row }) => toItem(row as unknown as Row))
  const last = found.at(-1)
  return {
    found,
    ...(rows.at(-1)?.isFollowed && last !== undefined && { lookedUpTo: last }),
  }
}
