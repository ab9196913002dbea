import { cpuSeconds } from './cpu.ts'
import type { Generator } from './generator.ts'
import type { Call } from './operations.ts'
import type { Running } from './servers.ts'
import { latencyOf, quantile, type Spread, spreadOf } from './statistics.ts'

/** One server under one load for a moment. */
export type Sample = {
  /** Microseconds of processor time, the server's alone, for each answer. */
  cpuMicros: number
  perSecond: number
  /** Milliseconds, at full load. */
  p50: number
  p95: number
  p99: number
}

/** By server, then by load: one sample of each round, in their order. */
export type Samples = Map<string, Map<string, Sample[]>>

export type Plan = {
  servers: readonly Running[]
  /** By the load's name. */
  loads: ReadonlyMap<string, Call[]>
  rounds: number
  /** How long each sample takes, about. */
  seconds: number
  connections: number
  /** @see ClosedLoad */
  staysAwake: boolean
}

/** A server that gets little of a busy machine is warmed up again, so often at most. */
const MOST_WARM_UPS = 3
/** However slow a server is, each connection asks so often. */
const CALLS_OF_A_CONNECTION = 2

/**
 * Every round puts every server under every load in turn, and the next round begins with the next
 * server: what slows the machine down for a while slows all of them down. A ratio is taken within
 * one round only.
 */
export async function measure(generator: Generator, plan: Plan): Promise<Samples> {
  const { servers, loads, rounds } = plan
  const amounts = await warmUp(generator, plan)
  const samples: Samples = new Map(
    servers.map(({ name }) => [name, new Map([...loads.keys()].map((load) => [load, []]))]),
  )
  for (let round = 0; round < rounds; round += 1) {
    const order = servers.map((_, i) => servers[(i + round) % servers.length]!)
    for (const [load, calls] of loads) {
      for (const server of order) {
        const amount = amounts.get(server.name)!.get(load)!
        const sample = await sampleOf(generator, server, calls, { ...plan, amount })
        samples.get(server.name)!.get(load)!.push(sample)
      }
    }
    process.stderr.write(`  round ${round + 1} of ${rounds}\n`)
  }
  return samples
}

/** Lets the compilers of each server do their work. @returns how many calls fill a sample */
async function warmUp(generator: Generator, plan: Plan): Promise<Map<string, Map<string, number>>> {
  const amounts = new Map<string, Map<string, number>>()
  for (const server of plan.servers) {
    const own = new Map<string, number>()
    for (const load of plan.loads.keys()) {
      own.set(load, await warmUpOne(generator, plan, server, load))
    }
    amounts.set(server.name, own)
  }
  return amounts
}

/** Until the server has worked for as long as a sample takes. */
async function warmUpOne(
  generator: Generator,
  { loads, seconds, connections, staysAwake }: Plan,
  { name, pid, origin }: Running,
  loadName: string,
): Promise<number> {
  const calls = loads.get(loadName)!
  const load = { kind: 'closed', origin, calls, connections, staysAwake, seconds } as const
  const before = await cpuSeconds(pid)
  let perSecond = 0
  for (let i = 0; i < MOST_WARM_UPS && (await cpuSeconds(pid)) - before < seconds; i += 1) {
    const { answered, failed, seconds: took } = await generator.run(load)
    if (failed > 0) throw new Error(`${name} failed ${failed} calls of ${loadName}`)
    perSecond = answered / took
  }
  return Math.max(Math.round(perSecond * seconds), connections * CALLS_OF_A_CONNECTION)
}

async function sampleOf(
  generator: Generator,
  { name, pid, origin }: Running,
  calls: Call[],
  { amount, connections, staysAwake }: Plan & { amount: number },
): Promise<Sample> {
  const before = await cpuSeconds(pid)
  const load = { kind: 'closed', origin, calls, connections, amount, staysAwake } as const
  const { answered, failed, seconds, latencies } = await generator.run(load)
  const cpu = (await cpuSeconds(pid)) - before
  if (failed > 0 || answered < amount) {
    throw new Error(`${name} failed ${failed} calls, and answered ${answered} of ${amount}`)
  }
  const { p50, p95, p99 } = latencyOf(latencies)
  return { cpuMicros: (cpu / answered) * 1e6, perSecond: answered / seconds, p50, p95, p99 }
}

/** How many times as much processor time the other takes as the one, round by round. */
export function ratioOf(samples: Samples, one: string, other: string, load: string): Spread {
  const [own, others] = [one, other].map((name) => samples.get(name)!.get(load)!)
  return spreadOf(own!.map(({ cpuMicros }, i) => others![i]!.cpuMicros / cpuMicros))
}

/** The middle of a server's samples of one load, each figure for itself. */
export function middleOf(samples: Samples, server: string, load: string): Sample {
  const own = samples.get(server)!.get(load)!
  const middle = (of: (sample: Sample) => number) => quantile(own.map(of), 0.5)
  return {
    cpuMicros: middle(({ cpuMicros }) => cpuMicros),
    perSecond: middle(({ perSecond }) => perSecond),
    p50: middle(({ p50 }) => p50),
    p95: middle(({ p95 }) => p95),
    p99: middle(({ p99 }) => p99),
  }
}
