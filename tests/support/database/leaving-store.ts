import { DatabaseUnavailable, type Store } from '../../../src/store/store.ts'

/** The real store, whose every call fails while `isAway`. */
export type LeavingStore = { store: Store; isAway: boolean }

export function createLeavingStore(real: Store): LeavingStore {
  const leaving = { store: real, isAway: false }
  leaving.store = guard(real, () => leaving.isAway)
  return leaving
}

function guard<T extends object>(nouns: T, isAway: () => boolean): T {
  const entries = Object.entries(nouns).map(([name, thing]: [string, unknown]) => {
    if (typeof thing === 'function') {
      const call = thing as (...parameters: unknown[]) => Promise<unknown>
      const guarded = (...parameters: unknown[]) =>
        isAway() ? Promise.reject(new DatabaseUnavailable('db-7 is away')) : call(...parameters)
      return [name, guarded]
    }
    const isNoun = typeof thing === 'object' && thing !== null
    return [name, isNoun ? guard(thing, isAway) : thing]
  })
  return Object.fromEntries(entries) as T
}
