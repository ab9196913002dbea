import { DatabaseUnavailable, type Store } from '../../../src/store/store.ts'

/** A store whose every call fails while `isUnavailable`. */
export type OutageStore = { store: Store; isUnavailable: boolean }

export function createOutageStore(real: Store): OutageStore {
  const leaving = { store: real, isUnavailable: false }
  leaving.store = guard(real, () => leaving.isUnavailable)
  return leaving
}

function guard<T extends object>(nouns: T, isUnavailable: () => boolean): T {
  const entries = Object.entries(nouns).map(([name, thing]: [string, unknown]) => {
    if (typeof thing === 'function') {
      const call = thing as (...parameters: unknown[]) => Promise<unknown>
      const guarded = (...parameters: unknown[]) =>
        isUnavailable()
          ? Promise.reject(new DatabaseUnavailable('db-7 is away'))
          : call(...parameters)
      return [name, guarded]
    }
    const isNoun = typeof thing === 'object' && thing !== null
    return [name, isNoun ? guard(thing, isUnavailable) : thing]
  })
  return Object.fromEntries(entries) as T
}
