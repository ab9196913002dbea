import type { Call } from './operations.ts'
import { startWorker } from './worker.ts'

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

export function startGenerator(): Generator {
  const { ask, stop } = startWorker('scripts/laboratory/bench/load.ts')
  return { run: async <L extends Load>(load: L) => (await ask(load)) as Outcome<L>, stop }
}
