import { cpuSeconds } from './cpu.ts'
import type { Generator } from './generator.ts'
import type { Call } from './operations.ts'
import type { Running } from './servers.ts'
import { latencyOf, quantile, type Spread, spreadOf } from './statistics.ts'

/** One measurement of one server under one load. */
export type Sample = {
  /** Microseconds of the server's processor time for each response. */
  cpuMicros: number
  perSecond: number
  /** Milliseconds, at full load. */
  p50: number
  p95: number
  p99: number
}

/** By server, then by load: one sample of each round, in order. */
export type Samples = Map<string, Map<string, Sample[]>>

export type Plan = {
  servers: readonly Running[]
  /** By the load's name. */
  loads: ReadonlyMap<string, Call[]>
  rounds: number
  /** The approximate duration of each sample. */
  seconds: number
  connections: number
  /** @see ClosedLoad */
  staysAwake: boolean
}

/** On a busy machine a server may get little processor time: the warm-up is repeated, at most this often. */
const MOST_WARM_UPS = 3
/** The least number of calls of each connection, however slow the server is. */
const CALLS_OF_A_CONNECTION = 2

/**
 * Each round puts every server under every load in turn, and starts with another server than the round
 * before, so that a temporary slowdown of the machine affects all servers. Ratios compare samples of the
 * same round only.
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

/** Lets the JIT compilers of each server work. @returns how many calls fill a sample */
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

/** Warms up until the server has used as much processor time as a sample takes. */
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

/** Returns the processor time of `other` as a multiple of that of `one`, round by round. */
export function ratioOf(samples: Samples, one: string, other: string, load: string): Spread {
  const [own, others] = [one, other].map((name) => samples.get(name)!.get(load)!)
  return spreadOf(own!.map(({ cpuMicros }, i) => others![i]!.cpuMicros / cpuMicros))
}

/** Returns the median of each figure over a server's samples of one load. */
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
