/** `T` with every property that may be null as one that may be absent. */
export type Present<T> = { [K in keyof T as null extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as null extends T[K] ? K : never]?: Exclude<T[K], null>
}

/** The row without the columns that are NULL: outside the store, a missing value is an absent property. */
export function present<T extends object>(row: T): Present<T> {
  const columns = Object.entries(row).filter(([, value]) => value !== null)
  return Object.fromEntries(columns) as Present<T>
}

/** Where a list goes on, newest first: after the row with this time and id. */
export type PagePosition = { updatedAt: Date; id: string }
