import { setTimeout as pause } from 'node:timers/promises'
import { startUpstream } from '../../../tests/support/upstream/upstream.ts'
import { type Common, parley } from '../bench/contenders.ts'
import { cpuSeconds } from '../bench/cpu.ts'
import type { Template } from '../bench/database.ts'
import { logIn } from '../bench/latencies.ts'
import { type Running, startServer } from '../bench/servers.ts'
import { latencyOf } from '../bench/statistics.ts'
import { startWorker, type Worker } from '../bench/worker.ts'
import { below, type Chapter } from './chapter.ts'
import type { CrowdQuestion, Opened, Tried } from './crowd.ts'
import { mostDescriptors, residentMb } from './memory.ts'

/** File descriptors of the server besides two sockets for each stream: to the caller and to the upstream. */
const OTHER_DESCRIPTORS = 200
const SETTLE_MS = 5_000
/** With fewer streams, other memory of the server outweighs theirs. */
const ENOUGH_FOR_MEMORY = 1_000
const KB_OF_MB = 1_024
const TIMEOUT_SECONDS = '600'

type Row = {
  open: number
  perSecond: number
  mb: number
  kbOfStream: number
  cpuPercent: number
} & Tried
type Crowd = { worker: Worker; server: Running; tokens: string[]; tries: number }

/** @param effort the numbers of open streams, one row each, in ascending order */
export async function measureStreams(
  common: Common,
  template: Template,
  effort: { streams: readonly number[]; tries: number },
): Promise<Chapter> {
  await using upstream = await startUpstream({ stallAfter: 1 })
  const program = await parley(common, await template.copy('streams'))
  const env = {
    ...program.env,
    CHAT_UPSTREAM_URL: upstream.url,
    CHAT_UPSTREAM_TIMEOUT_SECONDS: TIMEOUT_SECONDS,
  }
  const server = await startServer({ ...program, env })
  const worker = startWorker('scripts/laboratory/scale/crowd.ts')
  try {
    const tokens: string[] = []
    for (const owner of template.owners) tokens.push(await logIn(server.origin, owner))
    const descriptors = (await mostDescriptors()) - OTHER_DESCRIPTORS
    const counts = effort.streams.filter((count) => 2 * count <= descriptors)
    const rows = await rowsOf({ worker, server, tokens, tries: effort.tries }, counts)
    const left = effort.streams.length - counts.length
    return chapterOf(rows, effort.tries, left === 0 ? undefined : tooFew(descriptors))
  } finally {
    worker.stop()
    await server.stop()
  }
}

async function rowsOf(crowd: Crowd, counts: readonly number[]): Promise<Row[]> {
  const { worker, server, tokens, tries } = crowd
  const ask = (question: object) => worker.ask({ origin: server.origin, tokens, ...question })
  const tryOut = (times: number) =>
    ask({ tries: times } satisfies Partial<CrowdQuestion>) as Promise<Tried>
  // The first streams load code and fill caches.
  await tryOut(2 * tries)
  await pause(SETTLE_MS)
  const idleMb = await residentMb(server.pid)
  const rows: Row[] = []
  for (const open of counts) {
    const more = open - (rows.at(-1)?.open ?? 0)
    const { seconds } = (await ask({ open: more })) as Opened
    const before = await cpuSeconds(server.pid)
    await pause(SETTLE_MS)
    const cpuPercent = (((await cpuSeconds(server.pid)) - before) / SETTLE_MS) * 1_000 * 100
    const mb = await residentMb(server.pid)
    const kbOfStream = ((mb - idleMb) * KB_OF_MB) / open
    const tried = await tryOut(tries)
    rows.push({ open, perSecond: more / seconds, mb, kbOfStream, cpuPercent, ...tried })
    process.stderr.write(`  ${open} streams open\n`)
  }
  return rows
}

function chapterOf(rows: readonly Row[], tries: number, after: string | undefined): Chapter {
  const last = rows.at(-1)!
  const latency = (values: readonly number[]) => latencyOf(values)
  return {
    title: 'Open streams',
    text: `Answers that have begun and wait for their model, each in its own conversation, from 20 callers, on one process with PostgreSQL. While they are open, ${tries} more are opened one after the other, and the profile is read ${tries * 4} times.`,
    heads: [
      'open',
      'opened/s',
      'resident MB',
      'kB a stream',
      'CPU while all wait',
      'first event, p50 / p95 ms',
      'profile, p50 / p95 ms',
    ],
    rows: rows.map((row) => [
      String(row.open),
      row.perSecond.toFixed(0),
      row.mb.toFixed(0),
      row.open < ENOUGH_FOR_MEMORY ? '' : row.kbOfStream.toFixed(1),
      `${row.cpuPercent.toFixed(1)} %`,
      halfAndMost(latency(row.firstEvents)),
      halfAndMost(latency(row.profiles)),
    ]),
    ...(after !== undefined && { after }),
    targets: [
      ...(last.open < ENOUGH_FOR_MEMORY
        ? []
        : [below(`Memory of each of ${last.open} open streams`, 50, last.kbOfStream, ' kB')]),
      below(`First event with ${last.open} open, p95`, 30, latency(last.firstEvents).p95, ' ms'),
      below(`Profile with ${last.open} streams open, p95`, 20, latency(last.profiles).p95, ' ms'),
    ],
  }
}

function halfAndMost({ p50, p95 }: { p50: number; p95: number }): string {
  return `${p50.toFixed(1)} / ${p95.toFixed(1)}`
}

function tooFew(descriptors: number): string {
  return `More were not tried: this machine allows a process ${descriptors} sockets (\`ulimit -Hn\`), and each stream takes two.`
}
