import type { Latencies } from './latencies.ts'
import type { Machine } from './machine.ts'
import { aboutMachine, table, targetsTable } from './page.ts'
import { middleOf, ratioOf, type Samples } from './rounds.ts'
import { type Measured, ratioText, targetsOf } from './targets.ts'

/** The names of the servers in reports. */
export const SERVER_NAMES: Readonly<Record<string, string>> = {
  parley: 'Parley',
  'node-http': 'bare node:http',
  fastify: 'tuned Fastify, same queries',
  'fastify-together': 'tuned Fastify, Parley’s limiter',
  'fastify-default': 'tuned Fastify, default queries',
  express: 'ordinary Express',
  flask: 'Flask',
}

/** Returns the measurements in Markdown. */
export function numbersOf(
  measured: Measured,
  machine: Machine & { rounds: number; seconds: number },
): string {
  const { rounds, seconds } = machine
  const parts = [
    `${aboutMachine(machine)};\n${rounds} rounds of ${seconds} s for each server and load.`,
    '### Targets',
    targetsTable(targetsOf(measured)),
    ...(measured.without ? ['### Without the database', samplesTable(measured.without)] : []),
    ...(measured.with ? ['### With the database', samplesTable(measured.with)] : []),
    ...(measured.latencies
      ? ['### Latency at half of saturation', ...latencyOf(measured.latencies)]
      : []),
  ]
  return parts.join('\n\n')
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
  const full = `Saturation: ${mix.toFixed(0)} calls a second of the mix with chat, ${logins.toFixed(1)} logins a second.`
  return [full, table(['operation', 'p50 ms', 'p95 ms', 'p99 ms', 'calls'], rows)]
}
