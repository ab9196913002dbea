/**
 * How many things one search looks at. No index finds a text of any length within a text, in any
 * language (docs/decisions/0014), so that each has to be looked at: these take about 10 ms.
 */
export const LOOKED_AT_ONCE = 5_000

/** A part of what is searched. */
export type Searched<T> = {
  found: T[]
  /** The last that was looked at, found or not, if there may be more to find behind it. */
  lookedUpTo?: T
}

/** A row that was found, or the one that a search ended at, or both. */
export type SearchedRow<T> = T & { isFound: boolean; isLast: boolean }

export function toSearched<T extends object>(rows: SearchedRow<T>[]): Searched<T> {
  const found = rows.filter(({ isFound }) => isFound).map((row) => bare(row))
  const last = rows.find(({ isLast }) => isLast)
  return { found, ...(last && { lookedUpTo: bare(last) }) }
}

function bare<T extends object>(row: SearchedRow<T>): T {
  const { isFound: _found, isLast: _last, ...thing } = row
  return thing as unknown as T
}
