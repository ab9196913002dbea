import { answersOf, refuseCareless, refuseDifferent } from './agreement.ts'
import { type Common, flask, nodePeer, parley } from './contenders.ts'
import { createTemplate, type Template } from './database.ts'
import type { Generator } from './generator.ts'
import { measureLatency, type Latencies } from './latencies.ts'
import { MIX, operationsOf, stir, WITH_DATABASE } from './operations.ts'
import { withTokens } from './people.ts'
import { measure, type Samples } from './rounds.ts'
import { type Program, type Running, startServer } from './servers.ts'
import type { Effort } from './without-database.ts'

export type WithDatabase = { samples: Samples; latencies: Latencies }

/** Measures Parley and its peers on one PostgreSQL, each on a copy of the same rows, then Parley alone. */
export async function measureWithDatabase(
  generator: Generator,
  common: Common,
  effort: Effort & { serverUrl: string; pacedSeconds: number; withFlask: boolean },
): Promise<WithDatabase> {
  const template = await createTemplate(effort.serverUrl, common.secret)
  const servers: Running[] = []
  try {
    for (const program of await programs(common, template, effort)) {
      servers.push(await startServer(program))
    }
    const people = await withTokens(template.owners, common.keysText)
    const all = operationsOf(people)
    const operations = WITH_DATABASE.map((name) => all[name]!)
    const answers = await answersOf(servers[0]!, operations)
    for (const server of servers) {
      if (server !== servers[0]) await refuseDifferent(server, operations, answers)
      await refuseCareless(server, operations)
    }
    const loads = new Map(operations.map(({ name, calls }) => [name, calls]))
    loads.set('mix', stir(all, MIX))
    // PostgreSQL needs the second core.
    const samples = await measure(generator, { servers, loads, ...effort, staysAwake: false })
    const [ours, ...peers] = servers
    for (const peer of peers) await peer.stop()
    const latencies = await measureLatency(generator, ours!, template.owners, effort)
    return { samples, latencies }
  } finally {
    for (const server of servers) await server.stop()
    await template.drop()
  }
}

/** Returns the servers, Parley first. */
async function programs(
  common: Common,
  template: Template,
  { withFlask }: { withFlask: boolean },
): Promise<Program[]> {
  const peer = async (name: string, folder: string, more: Record<string, string> = {}) => {
    const env = { DATABASE_URL: await template.copy(name), ...more }
    return nodePeer(common, name, { folder, env })
  }
  return [
    await parley(common, await template.copy('parley')),
    await peer('fastify', 'fastify', { QUERIES: 'parley' }),
    await peer('fastify-together', 'fastify', { QUERIES: 'parley', LIMITS: 'together' }),
    await peer('fastify-default', 'fastify', { QUERIES: 'default' }),
    await peer('express', 'express'),
    ...(withFlask ? [await flask(common, await template.copy('flask'))] : []),
  ]
}
