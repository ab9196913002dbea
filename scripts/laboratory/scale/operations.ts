import { readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { loadContract, operationsIn } from '../../../src/contract/document.ts'
import { packageRoot } from '../../../src/lib/package-root.ts'
import { type Common, parley } from '../bench/contenders.ts'
import type { Generator } from '../bench/generator.ts'
import { operationsOf } from '../bench/operations.ts'
import { strangers, withTokens } from '../bench/people.ts'
import { measure, middleOf, ratioOf } from '../bench/rounds.ts'
import { type Program, type Running, startServer } from '../bench/servers.ts'
import { ratioText } from '../bench/targets.ts'
import { spreadOf } from '../bench/statistics.ts'
import { below, type Chapter } from './chapter.ts'
import type { EnlargedStart } from './enlarged-server.ts'

const TSX = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
const SERVER = join(packageRoot, 'scripts/laboratory/scale/enlarged-server.ts')
const MANY = 120
const STARTS = 3
const CALLERS = 20
const WARM_UP_LIMIT_MS = 60_000
const LOOK_EVERY_MS = 100

type Effort = { rounds: number; seconds: number; connections: number; starts: number }
type Started = { server: Running; starts: EnlargedStart[] }

/** Measures whether a call costs more with a longer contract. */
export async function measureOperations(
  common: Common,
  generator: Generator,
  effort: Effort,
): Promise<Chapter> {
  const counts = [operationsIn(loadContract().document).length, MANY]
  const started: Started[] = []
  try {
    for (const count of counts) started.push(await startOften(common, count, effort.starts))
    const people = await withTokens(strangers(CALLERS), common.keysText)
    const loads = new Map([['limits', operationsOf(people)['limits']!.calls]])
    const servers = started.map(({ server }) => server)
    const samples = await measure(generator, { servers, loads, ...effort, staysAwake: true })
    const [few, many] = servers.map(({ name }) => name)
    const ratio = ratioOf(samples, few!, many!, 'limits')
    return {
      title: 'Operations in the contract',
      text: `The contract as it is, and with copies of its operations under other paths in front of the originals. The call is \`GET /rate-limits\` without a database server, in ${effort.rounds} rounds of ${effort.seconds} s. The start is the time from the contract in memory until the server listens, including the embedded database.`,
      heads: ['operations', 'CPU µs of a call', 'p50 / p95 ms', 'start ms', 'then compiling ms'],
      rows: started.map(({ server, starts }) => {
        const { cpuMicros, p50, p95 } = middleOf(samples, server.name, 'limits')
        return [
          String(starts[0]!.operations),
          cpuMicros.toFixed(0),
          `${p50.toFixed(1)} / ${p95.toFixed(1)}`,
          spreadOf(starts.map(({ startMs }) => startMs)).median.toFixed(0),
          spreadOf(starts.map(({ warmUpMs }) => warmUpMs)).median.toFixed(0),
        ]
      }),
      after: `With ${counts[1]!} operations a call takes ${ratioText(ratio)} times the processor time.`,
      targets: [below(`A call with ${MANY} operations in the contract`, 1.1, ratio.median, ' ×')],
    }
  } finally {
    for (const { server } of started) await server.stop()
  }
}

/** Starts the server several times and keeps the last one. */
async function startOften(common: Common, operations: number, starts: number): Promise<Started> {
  const file = join(common.directory, `start-${operations}.json`)
  const { env } = await parley(common)
  const program: Program = {
    name: `with ${operations}`,
    command: process.execPath,
    parameters: () => ['--import', TSX, SERVER, String(operations), file],
    directory: common.directory,
    env: { ...env, DATA_DIR: join(common.directory, `data-${operations}`) },
  }
  const reported: EnlargedStart[] = []
  for (let i = 1; ; i += 1) {
    const server = await startServer(program)
    reported.push(await readStart(file))
    if (i >= Math.min(starts, STARTS)) return { server, starts: reported }
    await server.stop()
  }
}

async function readStart(file: string): Promise<EnlargedStart> {
  const deadline = performance.now() + WARM_UP_LIMIT_MS
  while (performance.now() < deadline) {
    const text = await readFile(file, 'utf8').catch(() => '')
    if (text.endsWith('}')) {
      await rm(file)
      return JSON.parse(text) as EnlargedStart
    }
    await pause(LOOK_EVERY_MS)
  }
  throw new Error('The server did not warm up.')
}
