import type { Latencies } from './latencies.ts'
import { ratioOf, type Samples } from './rounds.ts'
import type { Spread } from './statistics.ts'

/** A goal, and the figure that Parley reached. */
export type Target = { what: string; goal: string; reached: string; isMet: boolean }

type Ratio = { of: 'without' | 'with'; peer: string; goal: number; what: string }

/** Processor time of the peer for the mix, divided by Parley's in the same round. */
const RATIOS: readonly Ratio[] = [
  { of: 'without', peer: 'node-http', goal: 0.38, what: 'bare node:http' },
  { of: 'without', peer: 'fastify', goal: 0.85, what: 'tuned Fastify' },
  { of: 'without', peer: 'express', goal: 4, what: 'ordinary Express' },
  { of: 'with', peer: 'fastify', goal: 0.95, what: 'tuned Fastify, the same queries' },
  {
    of: 'with',
    peer: 'fastify-together',
    goal: 0.95,
    what: 'tuned Fastify, the same queries and Parley’s limiter',
  },
  {
    of: 'with',
    peer: 'fastify-default',
    goal: 1.5,
    what: 'the same Fastify, Prisma’s default queries',
  },
  { of: 'with', peer: 'flask', goal: 10, what: 'Flask' },
]

/** The p95 limit in milliseconds, at half of saturation. */
const LATENCIES_MS: Readonly<Record<string, number>> = { login: 200, stream: 30 }
const OTHERS_MS = 20
/** The engine decides how long an answer takes. */
const WITHOUT_TARGET = ['chat']

export type Measured = { without?: Samples; with?: Samples; latencies?: Latencies }

/** Returns the targets that this run measured. */
export function targetsOf(measured: Measured): Target[] {
  const ratios = RATIOS.flatMap(({ of, peer, goal, what }) => {
    const samples = measured[of]
    if (!samples?.has(peer)) return []
    const ratio = ratioOf(samples, 'parley', peer, 'mix')
    const where = of === 'without' ? 'Without the database' : 'With the database'
    const goalText = `≥ ${goal} × ${what}`
    const isMet = ratio.median >= goal
    return { what: where, goal: goalText, reached: ratioText(ratio), isMet }
  })
  return [...ratios, ...latencyTargets(measured.latencies)]
}

export function ratioText({ median, least, most }: Spread): string {
  return `${median.toFixed(2)} (${least.toFixed(2)}–${most.toFixed(2)})`
}

function latencyTargets(latencies: Latencies | undefined): Target[] {
  return Object.entries(latencies?.byOperation ?? {})
    .filter(([name]) => !WITHOUT_TARGET.includes(name))
    .map(([name, { p95 }]) => {
      const limit = LATENCIES_MS[name] ?? OTHERS_MS
      const what = name === 'stream' ? 'First event of a stream' : `Latency of ${name}`
      const goal = `p95 < ${limit} ms`
      return { what, goal, reached: `${p95.toFixed(1)} ms`, isMet: p95 < limit }
    })
}
