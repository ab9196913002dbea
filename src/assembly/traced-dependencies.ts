import type { World } from './world.ts'
import type { Engine } from '../engine/engine.ts'
import type { Passwords } from '../ports/passwords/passwords.ts'
import type { Tracer } from '../ports/observability/tracer.ts'
import type { Nouns, Store } from '../store/store.ts'

/** The same dependencies; each call that a request waits for in them is a step of its trace. */
export function traced(deps: World, tracer: Tracer): World {
  return {
    ...deps,
    store: tracedStore(deps.store, tracer),
    engine: tracedEngine(deps.engine, tracer),
    passwords: {
      ...deps.passwords,
      ...tracedNoun(
        'passwords',
        {
          hash: (...given: Parameters<Passwords['hash']>) => deps.passwords.hash(...given),
          verify: (...given: Parameters<Passwords['verify']>) => deps.passwords.verify(...given),
        },
        tracer,
      ),
    },
  }
}

function tracedStore(store: Store, tracer: Tracer): Store {
  return {
    ...store,
    ...tracedNouns(store, tracer),
    atomically: (work) =>
      inStep(tracer, 'store.atomically', () =>
        store.atomically((nouns) => work({ ...nouns, ...tracedNouns(nouns, tracer) })),
      ),
  }
}

/** The nouns of a store: its objects of functions. */
function tracedNouns(nouns: Nouns, tracer: Tracer): Partial<Nouns> {
  const entries = Object.entries(nouns).filter(([, noun]) => typeof noun === 'object')
  return Object.fromEntries(
    entries.map(([name, noun]) => [name, tracedNoun(`store.${name}`, noun, tracer)]),
  )
}

function tracedNoun<T extends object>(name: string, noun: T, tracer: Tracer): T {
  type Verb = (...given: unknown[]) => unknown
  const verbs = Object.entries(noun).map(([verb, run]: [string, Verb]) => [
    verb,
    (...given: unknown[]) => inStep(tracer, `${name}.${verb}`, () => run(...given)),
  ])
  return Object.fromEntries(verbs) as T
}

function inStep<T>(tracer: Tracer, name: string, work: () => T): T {
  const step = tracer.step(name)
  const result = step.within(work)
  if (!(result instanceof Promise)) {
    step.end()
    return result
  }
  result.then(
    () => {
      step.end()
    },
    (error: unknown) => {
      step.end(error)
    },
  )
  return result
}

function tracedEngine(engine: Engine, tracer: Tracer): Engine {
  return {
    kind: engine.kind,
    ruleBased: engine.ruleBased,
    get model() {
      return engine.model
    },
    check: () => engine.check(),
    async *answer(turn, signal) {
      const step = tracer.step('engine.answer')
      let pieces = 0
      let failure: unknown
      try {
        for await (const part of engine.answer(turn, signal)) {
          if (pieces === 0) step.note('first piece')
          pieces += 1
          yield part
        }
      } catch (error) {
        // A caller that stops it is no failure.
        if (!signal.aborted) failure = error
        throw error
      } finally {
        step.end(failure)
      }
    },
  }
}
