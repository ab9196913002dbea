import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { packageRoot } from '../../src/package-root.ts'
import type { Call } from './operations.ts'

/** As many calls as the server can take, from so many connections that wait for each answer. */
export type ClosedLoad = {
  kind: 'closed'
  origin: string
  calls: Call[]
  connections: number
  /** This many calls; */
  amount?: number
  /** or as many as fit in so long. */
  seconds?: number
  /**
   * The generator never sleeps. Waking it costs whoever writes to it, and only a server that is
   * slower than the generator has to: the faster it is, the cheaper its answers would look.
   */
  staysAwake?: boolean
}

/** Calls at their times, whether or not earlier ones were answered. */
export type PacedLoad = {
  kind: 'paced'
  origin: string
  seconds: number
  lanes: { name: string; calls: Call[]; perSecond: number; until: 'answered' | 'first-frame' }[]
}

export type Closed = {
  answered: number
  /** Answers that are no success, and calls without one. */
  failed: number
  /** From the first call to the last answer. */
  seconds: number
  /** Milliseconds of each answer. */
  latencies: number[]
}

/** By lane: milliseconds since each call was due. */
export type Paced = Record<string, { latencies: number[]; failed: number }>

export type Load = ClosedLoad | PacedLoad
type Outcome<L extends Load> = L extends ClosedLoad ? Closed : Paced

export type Generator = {
  run<L extends Load>(load: L): Promise<Outcome<L>>
  stop(): void
}

/** A process of its own that makes load: what it costs is in nobody's processor time. */
export function startGenerator(): Generator {
  const child = fork(join(packageRoot, 'scripts/bench/load.ts'))
  const gone = once(child, 'exit').then(() => {
    throw new Error('The generator has ended.')
  })
  gone.catch(() => undefined)
  return {
    async run<L extends Load>(load: L) {
      const said = once(child, 'message') as Promise<[Outcome<L> | { error: string }]>
      child.send(load)
      const [outcome] = await Promise.race([said, gone])
      if ('error' in outcome && typeof outcome.error === 'string') throw new Error(outcome.error)
      return outcome as Outcome<L>
    },
    stop: () => {
      child.kill()
    },
  }
}
