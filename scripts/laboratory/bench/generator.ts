import type { Call } from './operations.ts'
import { startWorker } from './worker.ts'

/** Each connection sends its next call when it has the response to the last one. */
export type ClosedLoad = {
  kind: 'closed'
  origin: string
  calls: Call[]
  connections: number
  /** The number of calls; */
  amount?: number
  /** or the duration. */
  seconds?: number
  /**
   * The generator never sleeps. Waking it costs processor time of the server that writes to it, but only
   * if the server is slower than the generator. A fast server would look faster than it is.
   */
  staysAwake?: boolean
}

/** Calls at fixed times, whether or not earlier calls have a response. */
export type PacedLoad = {
  kind: 'paced'
  origin: string
  seconds: number
  lanes: { name: string; calls: Call[]; perSecond: number; until: 'answered' | 'first-frame' }[]
}

export type Closed = {
  answered: number
  /** Responses other than 2xx, and calls without a response. */
  failed: number
  /** From the first call to the last response. */
  seconds: number
  /** Milliseconds of each call. */
  latencies: number[]
}

/** By lane: milliseconds from the time at which each call was due. */
export type Paced = Record<string, { latencies: number[]; failed: number }>

export type Load = ClosedLoad | PacedLoad
type Outcome<L extends Load> = L extends ClosedLoad ? Closed : Paced

export type Generator = {
  run<L extends Load>(load: L): Promise<Outcome<L>>
  stop: () => void
}

export function startGenerator(): Generator {
  const { ask, stop } = startWorker('scripts/laboratory/bench/load.ts')
  return { run: async <L extends Load>(load: L) => (await ask(load)) as Outcome<L>, stop }
}
