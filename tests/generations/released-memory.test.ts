import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { createManualEngine, openManualStream } from '../support/upstream/manual-engine.ts'
import { createRandom, seedOfRun } from '../support/random.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { openStream } from '../support/wire/stream.ts'
import { until } from '../support/clock/until.ts'
import { hangUpAtRandom, runConcurrently } from './random-hang-ups.given.ts'

const HANG_UPS = 2_000
const MAX_EXTRA_BYTES = 20 * 1024 * 1024

function countConnections({ parley }: TestServer): Promise<number> {
  return new Promise((resolve, reject) => {
    parley.server.getConnections((error, count) => {
      if (error) reject(error)
      else resolve(count)
    })
  })
}

/** Measures what the server and this process hold, after a collection where one can be forced. */
async function measure(server: TestServer) {
  global.gc?.()
  return {
    sockets: process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP')).length,
    timers: server.clock.pending,
    connections: await countConnections(server),
    heapBytes: process.memoryUsage().heapUsed,
  }
}

/** Measures once the number of timers no longer changes. */
function measureSettled(server: TestServer) {
  return until(async () => {
    const [one, two] = [await measure(server), await measure(server)]
    return one.timers === two.timers && two
  })
}

/** Measures once nothing but memory exceeds the first measurement. */
async function measureReleased(server: TestServer, before: Awaited<ReturnType<typeof measure>>) {
  await until(async () => (await measure(server)).timers <= before.timers, 20_000)
  return until(async () => {
    const now = await measure(server)
    // A kept-alive connection is closed when no further call has come.
    const areClosed = now.connections <= before.connections
    return areClosed && now.sockets <= before.sockets + 2 && now
  }, 20_000)
}

/** Collects the values that the process emits under this name. */
function collectEvents(name: 'warning' | 'unhandledRejection') {
  const events: unknown[] = []
  const add = (event: unknown) => void events.push(event)
  process.on(name, add)
  return { events, stop: () => void process.off(name, add) }
}

describe(`${HANG_UPS} random disconnects`, () => {
  test('leave no timer, socket, listener, rejection or memory behind', async () => {
    const engine = createManualEngine()
    const server = await startServer({
      env: { MAX_OPEN_STREAMS: '1000' },
      replacements: { deps: { engine } },
    })
    const alice = await server.createUser()
    const random = createRandom(seedOfRun())
    const { turn, stream, start } = await openManualStream(engine, alice)
    const rejections = collectEvents('unhandledRejection')
    const hangUp = () => hangUpAtRandom(alice, start.generationId, random)
    // The first calls fill caches and pools.
    await runConcurrently(HANG_UPS / 10, hangUp)
    const before = await measureSettled(server)
    const warnings = collectEvents('warning')

    await runConcurrently(HANG_UPS, hangUp)
    const after = await measureReleased(server, before)

    // Fewer, if work that was in progress at the first measurement has ended since.
    expect(after.timers).toBeLessThanOrEqual(before.timers)
    // A MaxListenersExceededWarning names the emitter whose listeners accumulate.
    expect(warnings.events.map(String).filter((text) => text.includes('leak'))).toEqual([])
    expect(rejections.events).toEqual([])
    if (global.gc) expect(after.heapBytes - before.heapBytes).toBeLessThan(MAX_EXTRA_BYTES)

    warnings.stop()
    rejections.stop()
    turn.end()
    expect((await stream.rest()).at(-1)!.name).toBe('message.end')

    const last = await openStream(alice, { message: 'Hi', conversationId: randomUUID() })
    expect(last.status).toBe(404)

    await server.close()
  }, 120_000)
})
