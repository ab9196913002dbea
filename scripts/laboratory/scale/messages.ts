import { setTimeout as pause } from 'node:timers/promises'
import { type Common, parley } from '../bench/contenders.ts'
import type { Owner, Template } from '../bench/database.ts'
import type { Generator } from '../bench/generator.ts'
import type { Call } from '../bench/operations.ts'
import { withTokens } from '../bench/people.ts'
import { type Running, startServer } from '../bench/servers.ts'
import { type Latency, latencyOf } from '../bench/statistics.ts'
import { below, type Chapter } from './chapter.ts'
import { addOwner, NEEDLE, NOTHING } from './many-messages.ts'
import { resetPeak, peakMb, residentMb } from './memory.ts'

/** The number of the later page, at most. */
const PAGES = 25
const WARM_UP_CALLS = 20
const REST_MS = 1_000
const LIMIT_MS = 20
const MICROS_OF_MS = 1_000
const NEWLINE = 10

type Reads = Record<'list' | 'later' | 'found' | 'nothing' | 'conversation' | 'usage', Latency>
type Export = { lines: number; ms: number; beforeMb: number; peakMb: number }
type Row = { messages: number; reads: Reads; export: Export }
type Caller = { server: Running; token: string; owner: Owner }

/** @param effort the numbers of messages, one row each, in ascending order */
export async function measureMessages(
  common: Common,
  template: Template,
  generator: Generator,
  effort: { messages: readonly number[]; calls: number },
): Promise<Chapter> {
  const databaseUrl = await template.copy('messages')
  const server = await startServer(await parley(common, databaseUrl))
  const rows: Row[] = []
  try {
    for (const messages of effort.messages) {
      const owner = await addOwner(databaseUrl, messages)
      const [person] = await withTokens([owner], common.keysText)
      const caller = { server, token: person!.token, owner }
      const reads = await readsOf(generator, caller, effort.calls)
      rows.push({ messages, reads, export: await exportOf(caller) })
      process.stderr.write(`  ${messages} messages\n`)
    }
    return chapterOf(rows, effort.calls)
  } finally {
    await server.stop()
  }
}

async function readsOf(generator: Generator, caller: Caller, amount: number): Promise<Reads> {
  const later = await laterCursor(caller)
  const paths: Record<keyof Reads, string> = {
    list: '/conversations?limit=20',
    later: `/conversations?limit=20&cursor=${encodeURIComponent(later)}`,
    found: `/conversations?q=${NEEDLE}`,
    nothing: `/conversations?q=${NOTHING}`,
    conversation: `/conversations/${caller.owner.conversationIds[0]!}`,
    usage: '/users/usage?granularity=day',
  }
  const entries: [string, Latency][] = []
  for (const [name, path] of Object.entries(paths)) {
    await latencyOfCalls(generator, caller, { path, amount: WARM_UP_CALLS })
    entries.push([name, await latencyOfCalls(generator, caller, { path, amount })])
  }
  return Object.fromEntries(entries) as Reads
}

/** Measures the calls one after the other. */
async function latencyOfCalls(
  generator: Generator,
  { server, token }: Caller,
  { path, amount }: { path: string; amount: number },
): Promise<Latency> {
  const headers = { authorization: `Bearer ${token}` }
  const calls: Call[] = [{ method: 'GET', path: `/api/v1${path}`, headers }]
  const load = { origin: server.origin, calls, connections: 1, amount }
  const { failed, latencies } = await generator.run({ kind: 'closed', ...load })
  if (failed > 0) throw new Error(`${failed} calls of ${path} failed`)
  return latencyOf(latencies)
}

async function laterCursor(caller: Caller): Promise<string> {
  let cursor = ''
  for (let page = 1; page <= PAGES; page += 1) {
    const after = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`
    const response = await read(caller, `/conversations?limit=20${after}`)
    const { nextCursor } = (await response.json()) as { nextCursor?: string }
    if (nextCursor === undefined) break
    cursor = nextCursor
  }
  return cursor
}

async function exportOf(caller: Caller): Promise<Export> {
  const { pid } = caller.server
  await pause(REST_MS)
  const beforeMb = await residentMb(pid)
  await resetPeak(pid)
  const startedAtMs = performance.now()
  const { body } = await read(caller, '/users/export')
  let lines = 0
  for await (const chunk of body!) for (const byte of chunk) if (byte === NEWLINE) lines += 1
  return { lines, ms: performance.now() - startedAtMs, beforeMb, peakMb: await peakMb(pid) }
}

async function read({ server, token }: Caller, path: string): Promise<Response> {
  const headers = { authorization: `Bearer ${token}` }
  const response = await fetch(`${server.origin}/api/v1${path}`, { headers })
  if (response.status !== 200) throw new Error(`${path}: ${response.status}`)
  return response
}

function chapterOf(rows: readonly Row[], calls: number): Chapter {
  const last = rows.at(-1)!
  const most = last.messages.toLocaleString('en')
  const names: Record<keyof Reads, string> = {
    list: 'first page',
    later: 'later page',
    found: 'search with a match',
    nothing: 'search without a match',
    conversation: 'conversation',
    usage: 'usage of 30 days',
  }
  const reads = Object.keys(names) as (keyof Reads)[]
  return {
    title: 'Messages',
    text: `One caller has these messages, 20 in each conversation, and their usage, spread over the last 30 days. The columns show p50 / p95 in ms of ${calls} calls, one after the other; for the export, the time for each line, and the server's resident memory before it and at its peak. The search with a match looks for the title of the oldest conversation.`,
    heads: [
      'messages',
      ...Object.values(names),
      'export, lines',
      'µs a line',
      'MB before, at peak',
    ],
    rows: rows.map(({ messages, reads: latencies, export: { lines, ms, beforeMb, peakMb } }) => [
      messages.toLocaleString('en'),
      ...reads.map(
        (name) => `${latencies[name].p50.toFixed(1)} / ${latencies[name].p95.toFixed(1)}`,
      ),
      lines.toLocaleString('en'),
      ((ms / lines) * MICROS_OF_MS).toFixed(0),
      `${beforeMb.toFixed(0)}, ${peakMb.toFixed(0)}`,
    ]),
    targets: [
      ...reads.map((name) =>
        below(`${most} messages, ${names[name]}, p95`, LIMIT_MS, last.reads[name].p95, ' ms'),
      ),
      below(`${most} messages, memory that the export adds`, 64, growthOf(last.export), ' MB'),
    ],
  }
}

function growthOf({ beforeMb, peakMb }: Export): number {
  return peakMb - beforeMb
}
