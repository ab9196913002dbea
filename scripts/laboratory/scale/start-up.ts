import { openSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from '../../../tests/support/wire/free-port.ts'
import { type Common, parley } from '../bench/contenders.ts'
import type { Template } from '../bench/database.ts'
import type { Generator } from '../bench/generator.ts'
import { MIX, operationsOf, stir } from '../bench/operations.ts'
import { withTokens } from '../bench/people.ts'
import { type Program, startServer } from '../bench/servers.ts'
import { spreadOf } from '../bench/statistics.ts'
import { start, stop } from '../../support/processes.ts'
import { below, type Chapter } from './chapter.ts'
import { residentMb } from './memory.ts'
import { describePackages, packagesForRunning } from './packages.ts'

const START_LIMIT_MS = 60_000
const STOP_LIMIT_MS = 10_000
const LOOK_EVERY_MS = 5
const MS_OF_S = 1_000

type Effort = { starts: number; loadSeconds: number; connections: number }

/** Measures the time until the server is ready, its memory, and the size of its packages. */
export async function measureStartUp(
  common: Common,
  template: Template,
  generator: Generator,
  effort: Effort,
): Promise<Chapter> {
  const served = await parley(common, await template.copy('start-up'))
  const onServer = spreadOf(await startsOf(served, effort.starts))
  const onEmbedded = spreadOf(await startsOf(await parley(common), effort.starts))
  const memory = await memoryOf(served, template, generator, { common, ...effort })
  const packages = await packagesForRunning()
  const seconds = ({ median, least, most }: typeof onServer) =>
    `${median.toFixed(2)} s (${least.toFixed(2)}–${most.toFixed(2)})`
  return {
    title: 'Start and size',
    text: `The time from the start of \`node dist/src/main.js\` to the first \`GET /health/ready\` with 200, ${effort.starts} times, on an existing database; the resident memory with PostgreSQL after the start and after ${effort.loadSeconds} s of the mix; and what \`npm ci --omit=dev --omit=optional\` installs.`,
    heads: ['', 'median (min–max)'],
    rows: [
      ['ready, on PostgreSQL', seconds(onServer)],
      ['ready, on the embedded database', seconds(onEmbedded)],
      ['resident after the start', `${memory.afterStart.toFixed(0)} MB`],
      ['resident after load', `${memory.afterLoad.toFixed(0)} MB`],
      ['packages', String(packages.count)],
      ['size of the packages', `${packages.mb.toFixed(0)} MB`],
    ],
    after: describePackages(packages),
    targets: [
      below('Ready on PostgreSQL', 1.5, onServer.median, ' s'),
      below('Ready on a warm embedded database', 3, onEmbedded.median, ' s'),
      below('Resident after load', 200, memory.afterLoad, ' MB'),
    ],
  }
}

/** Returns the seconds of each start apart from the first, which migrates and fills the caches. */
async function startsOf(program: Program, starts: number): Promise<number[]> {
  const taken: number[] = []
  for (let i = 0; i <= starts; i += 1) taken.push(await secondsToReady(program))
  return taken.slice(1)
}

async function secondsToReady({ command, parameters, directory, env }: Program): Promise<number> {
  const port = await freePort()
  const own = { PATH: process.env['PATH'], NODE_ENV: 'production', ...env, PORT: String(port) }
  const startedAtMs = performance.now()
  const child = start(
    { program: command, parameters: parameters(port), env: own },
    directory,
    openSync('/dev/null', 'w'),
  )
  child.stderr!.resume()
  try {
    while (!(await isReady(port))) {
      if (child.exitCode !== null || performance.now() - startedAtMs > START_LIMIT_MS)
        throw new Error('Parley did not start.')
      await pause(LOOK_EVERY_MS)
    }
    return (performance.now() - startedAtMs) / MS_OF_S
  } finally {
    await stop(child, STOP_LIMIT_MS)
  }
}

function isReady(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/api/v1/health/ready`).then(
    ({ status }) => status === 200,
    () => false,
  )
}

async function memoryOf(
  program: Program,
  template: Template,
  generator: Generator,
  { common, loadSeconds, connections }: Effort & { common: Common },
): Promise<{ afterStart: number; afterLoad: number }> {
  const server = await startServer(program)
  try {
    const afterStart = await residentMb(server.pid)
    const people = await withTokens(template.owners, common.keysText)
    const calls = stir(operationsOf(people), MIX)
    const load = { origin: server.origin, calls, connections, seconds: loadSeconds }
    const { failed } = await generator.run({ kind: 'closed', ...load })
    if (failed > 0) throw new Error(`parley failed ${failed} calls`)
    return { afterStart, afterLoad: await residentMb(server.pid) }
  } finally {
    await server.stop()
  }
}
