import type { Latencies } from './latencies.ts'
import type { Machine } from './machine.ts'
import { middleOf, ratioOf, type Samples } from './rounds.ts'
import { type Measured, ratioText, targetsOf } from './targets.ts'

const BEGIN = '<!-- numbers of npm run bench: begin -->'
const END = '<!-- numbers of npm run bench: end -->'

/** How servers are called where people read. */
export const SERVER_NAMES: Readonly<Record<string, string>> = {
  parley: 'Parley',
  'node-http': 'bare node:http',
  fastify: 'tuned Fastify, same queries',
  'fastify-default': 'tuned Fastify, default queries',
  express: 'ordinary Express',
  flask: 'Flask',
}

/** The page with the numbers of this run in the place of the last one's. @throws without the marks */
export function withNumbers(page: string, numbers: string): string {
  const [before, rest] = page.split(BEGIN)
  const after = rest?.split(END)[1]
  if (before === undefined || after === undefined) throw new Error('The page has no marks.')
  return `${before}${BEGIN}\n\n${numbers}\n\n${END}${after}`
}

/** What was measured, in Markdown. */
export function numbersOf(measured: Measured, machine: Machine): string {
  const targets = targetsOf(measured)
  const parts = [
    aboutOf(machine),
    '### Targets',
    table(
      ['', 'target', 'reached', ''],
      targets.map(({ what, goal, reached, isMet }) => [
        what,
        goal,
        reached,
        isMet ? 'met' : '**not met**',
      ]),
    ),
    ...(measured.without ? ['### Without the database', samplesTable(measured.without)] : []),
    ...(measured.with ? ['### With the database', samplesTable(measured.with)] : []),
    ...(measured.latencies
      ? ['### Latency at half of saturation', ...latencyOf(measured.latencies)]
      : []),
  ]
  return parts.join('\n\n')
}

function aboutOf(machine: Machine): string {
  const { at, node, processor, cores, loadBefore, rounds, seconds, postgres } = machine
  const busy = loadBefore > cores / 4
  return [
    busy
      ? `**Preliminary.** The machine was busy with other things (load ${loadBefore.toFixed(1)} before the run).`
      : `The machine was quiet (load ${loadBefore.toFixed(1)} before the run).`,
    `${at}; Node ${node}; ${cores} cores of ${processor};`,
    postgres === undefined ? 'no PostgreSQL;' : `PostgreSQL ${postgres};`,
    `${rounds} rounds of ${seconds} s for each server and load.`,
  ].join('\n')
}

function samplesTable(samples: Samples): string {
  const rows = [...samples].flatMap(([server, loads]) =>
    [...loads.keys()].map((load) => {
      const { cpuMicros, perSecond, p50, p95, p99 } = middleOf(samples, server, load)
      return [
        load,
        SERVER_NAMES[server] ?? server,
        cpuMicros.toFixed(0),
        server === 'parley' ? '' : ratioText(ratioOf(samples, 'parley', server, load)),
        perSecond.toFixed(0),
        [p50, p95, p99].map((ms) => ms.toFixed(1)).join(' / '),
      ]
    }),
  )
  const loads = [...samples.values()].flatMap((own) => [...own.keys()])
  const order = (row: string[]) => loads.indexOf(row[0]!)
  const heads = ['load', 'server', 'CPU µs', '÷ Parley’s', 'calls/s', 'p50 / p95 / p99 ms']
  return table(
    heads,
    rows.sort((a, b) => order(a) - order(b)),
  )
}

function latencyOf({ saturation, byOperation }: Latencies): string[] {
  const rows = Object.entries(byOperation).map(([name, { p50, p95, p99, count }]) => [
    name === 'stream' ? 'stream, first event' : name,
    ...[p50, p95, p99].map((ms) => ms.toFixed(1)),
    String(count),
  ])
  const { mix, logins } = saturation
  const full = `Saturation: ${mix.toFixed(0)} calls of the mix with chat a second, ${logins.toFixed(1)} logins a second.`
  return [full, table(['operation', 'p50 ms', 'p95 ms', 'p99 ms', 'calls'], rows)]
}

function table(heads: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`
  return [line(heads), line(heads.map(() => '---')), ...rows.map(line)].join('\n')
}
