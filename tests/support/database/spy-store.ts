import type { Nouns, Store } from '../../../src/store/store.ts'

type Call = (...parameters: never[]) => Promise<unknown>
/** Replaces a call: gets the real call, then its parameters. */
type Replacement = (real: () => Promise<unknown>, ...parameters: never[]) => Promise<unknown>

/** A store whose calls a test can observe and replace. */
export type SpyStore = {
  store: Store
  /** `noun.function` of every call so far, those of transactions included. */
  calls: string[]
  /** Returns the calls that `act` made. */
  during(act: () => Promise<unknown>): Promise<string[]>
  /**
   * Runs `replacement` instead of `noun.function`, of `atomically`, or of `commit`, which is the end of
   * every transaction, until the returned function is called.
   */
  instead(name: string, replacement: Replacement): () => void
}

/** Wraps a store so that a test can count, delay or fail single calls. */
export function spyOnStore(real: Store): SpyStore {
  const calls: string[] = []
  const replacements = new Map<string, Replacement>()

  const watch = (name: string, call: Call): Call => {
    return (...parameters) => {
      calls.push(name)
      const replacement = replacements.get(name)
      const run = () => call(...parameters)
      return replacement ? replacement(run, ...parameters) : run()
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
    instead(name, replacement) {
      replacements.set(name, replacement)
      return () => {
        replacements.delete(name)
      }
    },
  }
}
