import { Agent, get } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { freePort } from '../../../tests/support/wire/free-port.ts'
import { readMetrics } from '../../../tests/support/observability/metrics.ts'
import { type Common, parley } from '../bench/contenders.ts'
import type { Owner, Template } from '../bench/database.ts'
import { withTokens } from '../bench/people.ts'
import { type Program, startServer } from '../bench/servers.ts'
import { type Latency, latencyOf } from '../bench/statistics.ts'
import { startWorker } from '../bench/worker.ts'
import { below, type Chapter } from './chapter.ts'
import { addReaders, type Execute, inFolder, onServer } from './long-texts.ts'
import { resetPeak, peakMb, residentMb } from './memory.ts'
import type { Read, ReadQuestion } from './reader.ts'

const EXPORTS = 40
const LISTS = 40
const CALLERS = 20
const REST_MS = 2_000
const PROBE_EVERY_MS = 10
const MS_OF_S = 1_000

type Effort = { questions: number }
type Delay = { p50: number; p99: number; most: number }
type Row = { database: string; callers: number; read: Read; delay: Delay; health: Latency } & {
  beforeMb: number
  peakMb: number
}
type Setup = { common: Common; program: Program; database: string; owners: readonly Owner[] }

/** Measures the latency of other calls during large reads. @param effort the questions of each caller */
export async function measureReaders(
  common: Common,
  template: Template,
  { questions }: Effort,
): Promise<Chapter> {
  const fill = async (to: { execute: Execute; close: () => Promise<void> }) => {
    const owners = await addReaders(to.execute, { readers: CALLERS, questions })
    await to.close()
    return owners
  }
  const url = await template.copy('readers')
  const served = await parley(common, url)
  const embedded = await parley(common)
  const rows = [
    ...(await rowsOf({
      ...{ common, program: served, database: 'PostgreSQL' },
      owners: await fill(onServer(url)),
    })),
    ...(await rowsOf({
      ...{ common, program: embedded, database: 'embedded' },
      owners: await fill(await inFolder(embedded.env['DATA_DIR']!)),
    })),
  ]
  return chapterOf(rows, questions)
}

async function rowsOf({ common, program, database, owners }: Setup): Promise<Row[]> {
  const metricsPort = await freePort()
  const env = { ...program.env, METRICS_PORT: String(metricsPort) }
  const server = await startServer({ ...program, env })
  const metricsUrl = `http://127.0.0.1:${metricsPort}/metrics`
  const worker = startWorker('scripts/laboratory/scale/reader.ts')
  const rows: Row[] = []
  try {
    const people = await withTokens(owners, common.keysText)
    for (const callers of [1, CALLERS]) {
      const calls = people.slice(0, callers).map(callsOf)
      const asked = Array.from({ length: EXPORTS }, (_, i) => calls[i % callers]!).flat()
      const question: ReadQuestion = { origin: server.origin, calls: asked }
      await pause(REST_MS)
      const beforeMb = await residentMb(server.pid)
      await resetPeak(server.pid)
      // Each read of the metrics resets the measurement of the delay.
      await delayOf(metricsUrl)
      const stopProbing = probeHealth(server.origin)
      const read = (await worker.ask(question)) as Read
      const delay = await delayOf(metricsUrl)
      const health = latencyOf(await stopProbing())
      const peak = await peakMb(server.pid)
      rows.push({ database, callers, read, delay, health, beforeMb, peakMb: peak })
      process.stderr.write(`  ${database}, ${callers} callers\n`)
    }
    return rows
  } finally {
    worker.stop()
    await server.stop()
  }
}

/** Returns an export and a list of messages. */
function callsOf({ token, conversationIds }: { token: string; conversationIds: string[] }) {
  const path = `/api/v1/conversations/${conversationIds[0]!}`
  return [
    { path: `${path}/export`, token },
    { path: `${path}/messages?limit=100`, token },
  ]
}

/** Returns the delay of the event loop since the last read, in milliseconds. */
async function delayOf(metricsUrl: string): Promise<Delay> {
  const { value } = await readMetrics(metricsUrl)
  const of = (which: string) => value(`parley_nodejs_eventloop_lag_${which}_seconds`) * MS_OF_S
  return { p50: of('p50'), p99: of('p99'), most: of('max') }
}

/** Calls health a hundred times a second until the returned function is called, which returns the milliseconds. */
function probeHealth(origin: string): () => Promise<number[]> {
  const agent = new Agent({ keepAlive: true })
  const probes: Promise<number>[] = []
  const timer = setInterval(() => {
    probes.push(probe(`${origin}/api/v1/health`, agent))
  }, PROBE_EVERY_MS)
  return async () => {
    clearInterval(timer)
    const all = await Promise.all(probes)
    agent.destroy()
    return all
  }
}

function probe(url: string, agent: Agent): Promise<number> {
  const startedAtMs = performance.now()
  return new Promise((resolve, reject) => {
    get(url, { agent }, (response) => {
      response.resume().on('end', () => {
        resolve(performance.now() - startedAtMs)
      })
    }).on('error', reject)
  })
}

function chapterOf(rows: readonly Row[], questions: number): Chapter {
  const nameOf = ({ database, callers }: Row) =>
    `${database}, ${callers === 1 ? 'one caller' : `${callers} callers`}`
  return {
    title: 'Large reads',
    text: `${EXPORTS} exports and ${LISTS} lists of messages are requested at the same moment, by one caller and by ${CALLERS}, each with a conversation of ${questions} questions of 95,700 bytes, while \`GET /health\` is called a hundred times a second. Node measures the delay of the event loop every 10 ms; the figures include these 10 ms.`,
    heads: [
      'database, callers',
      'served, refused',
      'MB read',
      'seconds',
      'event loop, p50 / p99 / max ms',
      'health, p50 / p99 ms',
      'MB before, at peak',
    ],
    rows: rows.map((row) => [
      nameOf(row),
      `${row.read.statuses['200'] ?? 0}, ${row.read.statuses['429'] ?? 0}`,
      row.read.mb.toFixed(0),
      row.read.seconds.toFixed(1),
      [row.delay.p50, row.delay.p99, row.delay.most].map((ms) => ms.toFixed(0)).join(' / '),
      `${row.health.p50.toFixed(1)} / ${row.health.p99.toFixed(1)}`,
      `${row.beforeMb.toFixed(0)}, ${row.peakMb.toFixed(0)}`,
    ]),
    targets: rows.flatMap((row) => [
      below(`Event loop during large reads (${nameOf(row)}), p99`, 50, row.delay.p99, ' ms'),
      below(`Health during large reads (${nameOf(row)}), p99`, 100, row.health.p99, ' ms'),
    ]),
  }
}
