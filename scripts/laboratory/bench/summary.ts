import type { Machine } from './machine.ts'
import { table } from './page.ts'
import { middleOf, ratioOf, type Samples } from './rounds.ts'
import type { Measured } from './targets.ts'

/** The peers that the summary names, the most work for a call first. */
const PEERS = [
  { id: 'flask', name: 'Flask' },
  { id: 'express', name: 'ordinary Express' },
  { id: 'fastify', name: 'tuned Fastify' },
  { id: 'node-http', name: 'bare `node:http`' },
]

/** Returns what a reader wants to know first, in Markdown. The parts that were not measured are left out. */
export function summaryOf(measured: Measured, machine: Machine): string {
  const rows = [
    ['How fast is a call?', fastText(measured.latencies)],
    ['How many calls a second?', manyText(measured)],
    ['On what?', machineText(machine)],
    ['How does it compare?', comparisonText(measured)],
    [
      'How do you measure it yourself?',
      '`BENCH_DATABASE_URL=postgresql://… npm run bench`, at most ten minutes ([testing.md](testing.md#bench))',
    ],
  ].filter((row): row is [string, string] => row[1] !== undefined)
  return table(['question', 'in the last full run'], rows)
}

function fastText(latencies: Measured['latencies']): string | undefined {
  if (!latencies) return undefined
  const { conversation, stream, login } = latencies.byOperation
  const text = (latency: { p50: number; p95: number } | undefined) =>
    latency && `${latency.p50.toFixed(1)} ms (p95 ${latency.p95.toFixed(1)} ms)`
  return `At half of the maximum load, a conversation with 10 messages takes ${text(conversation)}, the first event of a stream ${text(stream)}, a login ${text(login)}`
}

function manyText({ without, with: withDatabase }: Measured): string | undefined {
  const many = (samples: Samples) =>
    Math.round(middleOf(samples, 'parley', 'mix').perSecond).toLocaleString('en')
  const parts = [
    ...(without ? [`${many(without)} without a database query`] : []),
    ...(withDatabase ? [`${many(withDatabase)} with PostgreSQL`] : []),
  ]
  return parts.length === 0 ? undefined : `One process: ${parts.join(', ')}`
}

function machineText({ at, node, processor, cores, postgres }: Machine): string {
  const software = [`Node ${node}`, ...(postgres === undefined ? [] : [`PostgreSQL ${postgres}`])]
  return `${cores} cores of ${processor}, shared with PostgreSQL and the load generator; ${software.join(', ')}; ${at}`
}

/** The processor time of each peer for the mix, as a multiple of Parley's. */
function comparisonText({ without, with: withDatabase }: Measured): string | undefined {
  const parts = [
    ...(without ? [`Without the database: ${multiplesIn(without)}`] : []),
    ...(withDatabase ? [`With the database: ${multiplesIn(withDatabase)}`] : []),
  ]
  if (parts.length === 0) return undefined
  return `Processor time of a call, Parley = 1. ${parts.join('. ')}`
}

function multiplesIn(samples: Samples): string {
  const measured = PEERS.filter(({ id }) => samples.has(id))
  const multiples = measured.map(({ id, name }) => {
    return `${name} ${ratioOf(samples, 'parley', id, 'mix').median.toFixed(2)}`
  })
  return multiples.join(', ')
}
