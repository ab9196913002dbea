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
export type SearchedRow<T> = T & { isFound: boolean; isLast: boolean }

export function toSearched<T extends object>(rows: SearchedRow<T>[]): Searched<T> {
  const found = rows.filter(({ isFound }) => isFound).map((row) => bare(row))
  const last = rows.find(({ isLast }) => isLast)
  return { found, ...(last && { lookedUpTo: bare(last) }) }
}

function bare<T extends object>(row: SearchedRow<T>): T {
  const { isFound: _found, isLast: _last, ...rest } = row
  return rest as unknown as T
}
