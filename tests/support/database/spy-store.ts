import type { Nouns, Store } from '../../../src/store/store.ts'

type Call = (...parameters: never[]) => Promise<unknown>
/** What happens in the place of a call; `real` is the call itself, then come its parameters. */
type Stand = (real: () => Promise<unknown>, ...parameters: never[]) => Promise<unknown>

/** The real store, with a window in it. */
export type SpyStore = {
  store: Store
  /** `noun.function` of every call so far, those of transactions included. */
  calls: string[]
  /** The calls that something made. */
  during(act: () => Promise<unknown>): Promise<string[]>
  /**
   * Runs `stand` in the place of `noun.function`, of `atomically`, or of `commit`, which is the end of
   * every transaction, until it is called off.
   */
  instead(name: string, stand: Stand): () => void
}

/** Counts what a store is asked, and lets a test hold up or break single calls of it. */
export function spyOnStore(real: Store): SpyStore {
  const calls: string[] = []
  const stands = new Map<string, Stand>()

  const watch = (name: string, call: Call): Call => {
    return (...parameters) => {
      calls.push(name)
      const stand = stands.get(name)
      const run = () => call(...parameters)
      return stand ? stand(run, ...parameters) : run()
    }
  }
  const watchNouns = <T extends object>(nouns: T): T => {
    const entries = Object.entries(nouns).map(([noun, functions]: [string, unknown]) => {
      if (typeof functions !== 'object' || functions === null) return [noun, functions]
      const watched = Object.entries(functions as Record<string, Call>).map(([name, call]) => [
        name,
        watch(`${noun}.${name}`, call),
      ])
      return [noun, Object.fromEntries(watched)]
    })
    return Object.fromEntries(entries) as T
  }

  const commit = watch('commit', () => Promise.resolve())
  const atomically = <T>(work: (nouns: Nouns) => Promise<T>): Promise<T> =>
    real.atomically(async (nouns) => {
      const result = await work(watchNouns(nouns))
      await commit()
      return result
    })
  return {
    store: { ...watchNouns(real), atomically: watch('atomically', atomically) as never },
    calls,
    async during(act) {
      const before = calls.length
      await act()
      return calls.slice(before)
    },
    instead(name, stand) {
      stands.set(name, stand)
      return () => {
        stands.delete(name)
      }
    },
  }
}
