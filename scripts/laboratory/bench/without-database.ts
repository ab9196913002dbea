import { writeFile } from 'node:fs/promises'
import { answersOf, refuseCareless, refuseDifferent } from './agreement.ts'
import { type Common, nodePeer, parley } from './contenders.ts'
import type { Generator } from './generator.ts'
import { operationsOf, stir, WITHOUT_DATABASE } from './operations.ts'
import { strangers, withTokens } from './people.ts'
import { measure, type Samples } from './rounds.ts'
import { type Answer } from './agreement.ts'
import { type Running, startServer } from './servers.ts'

/** The size of a run. */
export type Effort = { rounds: number; seconds: number; connections: number }

/** Headers that Node adds by itself. */
const OF_THE_CONNECTION = ['connection', 'keep-alive', 'date']
const CALLERS = 20

/** Measures Parley and its peers without database queries. */
export async function measureWithoutDatabase(
  generator: Generator,
  common: Common,
  effort: Effort,
): Promise<Samples> {
  const people = await withTokens(strangers(CALLERS), common.keysText)
  const all = operationsOf(people)
  const operations = WITHOUT_DATABASE.map((name) => all[name]!)
  const servers: Running[] = []
  try {
    const ours = await startServer(await parley(common))
    servers.push(ours)
    const answers = await answersOf(ours, operations)
    await writeFile(common.env['ANSWERS']!, JSON.stringify(recorded(answers, operations)))
    for (const name of ['node-http', 'fastify', 'express']) {
      servers.push(await startServer(await nodePeer(common, name)))
    }
    for (const server of servers) {
      await refuseDifferent(server, operations, answers)
      if (server.name !== 'node-http') await refuseCareless(server, operations)
    }
    const loads = new Map(operations.map(({ name, calls }) => [name, calls]))
    loads.set('mix', stir(all, { limits: 1, modes: 1 }))
    return await measure(generator, { servers, loads, ...effort, staysAwake: true })
  } finally {
    for (const server of servers) await server.stop()
  }
}

/** Returns Parley's responses for the bare `node:http` server, which repeats them. */
function recorded(
  answers: ReadonlyMap<string, Answer>,
  operations: readonly { name: string; calls: { method: string; path: string }[] }[],
) {
  const entries = operations.map(({ name, calls: [call] }) => {
    const { status, headers, text: body } = answers.get(name)!
    const own = Object.entries(headers).filter(([key]) => !OF_THE_CONNECTION.includes(key))
    return [`${call!.method} ${call!.path}`, { status, headers: Object.fromEntries(own), body }]
  })
  return Object.fromEntries(entries) as Record<string, unknown>
}
