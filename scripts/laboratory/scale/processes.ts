import { cpus } from 'node:os'
import { hasRedis, startRedis } from '../../../tests/support/database/redis-server.ts'
import { type Common, parley } from '../bench/contenders.ts'
import { cpuSeconds } from '../bench/cpu.ts'
import type { Template } from '../bench/database.ts'
import { type Generator, startGenerator } from '../bench/generator.ts'
import { type Call, MIX, operationsOf, stir } from '../bench/operations.ts'
import { withTokens } from '../bench/people.ts'
import { type Running, startServer } from '../bench/servers.ts'
import { quantile, spreadOf } from '../bench/statistics.ts'
import { ratioText } from '../bench/targets.ts'
import { below, type Chapter } from './chapter.ts'

const MICROS_OF_S = 1e6
const WARM_UPS = 2

type Effort = { rounds: number; seconds: number; connections: number }
type Sample = { perSecond: number; cpuMicros: number; busyPercent: number }
type Setup = { generators: Generator[]; calls: Call[]; effort: Effort }

/** Measures the same load on one process, and spread over two that share a database. */
export async function measureProcesses(
  common: Common,
  template: Template,
  effort: Effort,
): Promise<Chapter> {
  const redis = hasRedis ? await startRedis() : undefined
  const program = await parley(common, await template.copy('processes'))
  const env = { ...program.env, ...(redis && { REDIS_URL: redis.url }) }
  const servers: Running[] = []
  const generators = [startGenerator(), startGenerator()]
  try {
    for (const name of ['first', 'second']) {
      servers.push(await startServer({ ...program, name, env }))
    }
    const people = await withTokens(template.owners, common.keysText)
    const setup = { generators, calls: stir(operationsOf(people), MIX), effort }
    const both = [servers.slice(0, 1), servers]
    const samples = await roundsOf(setup, both)
    return chapterOf(samples, { ...effort, store: redis ? 'a Redis' : 'no Redis' })
  } finally {
    for (const { stop } of [...generators, ...servers]) await stop()
    await redis?.kill()
  }
}

/** Returns the samples of each round; the index is the number of processes minus one. */
async function roundsOf(setup: Setup, teams: Running[][]): Promise<Sample[][]> {
  const samples: Sample[][] = teams.map(() => [])
  const { rounds } = setup.effort
  for (let round = -WARM_UPS; round < rounds; round += 1) {
    for (const [i, team] of teams.entries()) {
      const sample = await sampleOf(setup, team)
      if (round >= 0) samples[i]!.push(sample)
    }
  }
  return samples
}

/** Uses two generators in both cases, so that they cost the same. */
async function sampleOf({ generators, calls, effort }: Setup, team: Running[]): Promise<Sample> {
  const taken = async () => {
    const each = await Promise.all(team.map(({ pid }) => cpuSeconds(pid)))
    return each.reduce((sum, seconds) => sum + seconds, 0)
  }
  const [before, idleBefore] = [await taken(), idleMs()]
  const startedAtMs = performance.now()
  const outcomes = await Promise.all(
    generators.map((generator, i) => {
      const { origin } = team[i % team.length]!
      const connections = effort.connections / generators.length
      return generator.run({ kind: 'closed', origin, calls, connections, seconds: effort.seconds })
    }),
  )
  const ms = performance.now() - startedAtMs
  const idle = (idleMs() - idleBefore) / (ms * cpus().length)
  const answered = outcomes.reduce((sum, outcome) => sum + outcome.answered, 0)
  const failed = outcomes.reduce((sum, outcome) => sum + outcome.failed, 0)
  if (failed > 0) throw new Error(`${failed} calls failed`)
  return {
    perSecond: outcomes.reduce((sum, outcome) => sum + outcome.answered / outcome.seconds, 0),
    cpuMicros: (((await taken()) - before) / answered) * MICROS_OF_S,
    busyPercent: (1 - idle) * 100,
  }
}

/** Returns the idle time of all cores since the machine started. */
function idleMs(): number {
  return cpus().reduce((sum, { times }) => sum + times.idle, 0)
}

function chapterOf(
  samples: Sample[][],
  { rounds, seconds, store }: Effort & { store: string },
): Chapter {
  const middle = (some: Sample[], of: (sample: Sample) => number) => quantile(some.map(of), 0.5)
  const [one, two] = samples as [Sample[], Sample[]]
  const ratio = (of: (sample: Sample) => number) =>
    spreadOf(two.map((sample, i) => of(sample) / of(one[i]!)))
  const dearer = ratio(({ cpuMicros }) => cpuMicros)
  const faster = ratio(({ perSecond }) => perSecond)
  return {
    title: 'Processes',
    text: `The mix of calls with the database, on one process and spread evenly over two, with one PostgreSQL and ${store}, in ${rounds} rounds of ${seconds} s. PostgreSQL and the load generators share the same ${cpus().length} cores: if one process keeps these busy already, a second has no core to work on.`,
    heads: ['processes', 'calls/s', 'CPU µs of a call', 'cores busy'],
    rows: samples.map((some, i) => [
      String(i + 1),
      middle(some, ({ perSecond }) => perSecond).toFixed(0),
      middle(some, ({ cpuMicros }) => cpuMicros).toFixed(0),
      `${middle(some, ({ busyPercent }) => busyPercent).toFixed(0)} %`,
    ]),
    after: `Two processes serve ${ratioText(faster)} times as many calls, and a call takes ${ratioText(dearer)} times the processor time.`,
    targets: [below('A call of the mix on two processes', 1.15, dearer.median, ' × CPU of one')],
  }
}
