import { randomUUID } from 'node:crypto'
import { Agent, request } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createDeferred } from '../../src/lib/deferred.ts'
import type { Client } from '../support/client.ts'
import { openTestStore } from '../support/database/database.ts'
import { createManualEngine, openManualStream } from '../support/upstream/manual-engine.ts'
import { createRandom, type Random, seedOfRun } from '../support/random.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { openStream, type OpenStream, resumeStream } from '../support/wire/stream.ts'
import { until } from '../support/clock/until.ts'
import { send } from '../support/wire/wire.ts'

const PLACES = 5
const ABORTS = 2_000
const AT_ONCE = 20
const QUICK = 1_000

const engine = createManualEngine()
let server: TestServer
beforeAll(async () => {
  server = await startServer({ replacements: { deps: { engine } } })
}, 60_000)
afterAll(() => server.close())

/** A running answer, and the one stream that is open of it. */
const running = (client: Client) => openManualStream(engine, client)

/** Opens so many streams of one answer. */
function follow(client: Client, generationId: string, times: number): Promise<OpenStream[]> {
  return Promise.all(Array.from({ length: times }, () => resumeStream(client, generationId)))
}

/** Whether all places are free: the last refusal is not too old. */
async function allPlacesFree(client: Client, generationId: string): Promise<boolean> {
  const streams = await follow(client, generationId, PLACES - 1)
  for (const stream of streams) stream.hangUp()
  return streams.every(({ status }) => status === 200)
}

/** Asks to follow, or to be told anything new, and hangs up in the middle of it. */
function hangUpAtRandom(client: Client, generationId: string, random: Random): Promise<void> {
  const isNew = random.next() < 0.4
  const url = isNew
    ? client.urlOf('streamMessage')
    : client.urlOf('resumeStream', { path: { generationId } })
  const headers = {
    ...client.credentials,
    'Content-Type': 'application/json',
    // A key is claimed before a place is taken: some are gone by then.
    ...(isNew && { 'Idempotency-Key': randomUUID() }),
  }
  return new Promise((resolve) => {
    const sent = request(url, { method: isNew ? 'POST' : 'GET', headers, agent: false })
    sent.on('error', () => undefined)
    sent.on('response', (response) => response.on('error', () => undefined).resume())
    sent.once('close', () => {
      resolve()
    })
    // In a conversation that there is not: nothing is made of it.
    sent.end(isNew ? JSON.stringify({ message: 'Hi', conversationId: randomUUID() }) : undefined)
    const turns = random.int(0, 80)
    const leave = (left: number) => {
      if (left === 0) sent.destroy()
      else setImmediate(leave, left - 1)
    }
    leave(turns)
  })
}

async function inParallel(times: number, work: () => Promise<void>): Promise<void> {
  let left = times
  const worker = async () => {
    while (left-- > 0) await work()
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}

/** How many connections a server has. */
function connectionsOf({ parley }: TestServer): Promise<number> {
  return new Promise((resolve, reject) => {
    parley.server.getConnections((error, count) => {
      if (error) reject(error)
      else resolve(count)
    })
  })
}

describe('the places of open streams', () => {
  test('are five: new and followed ones count, POST /chat does not, nor do other users', async () => {
    const [alice, bob] = [await server.createUser(), await server.createUser()]
    const { turn, stream, start } = await running(alice)
    const others = await follow(alice, start.generationId, PLACES - 1)
    const path = { generationId: start.generationId }
    const one = await alice.refused('too-many-streams', 'resumeStream', { path })
    const two = await alice.refused('too-many-streams', 'streamMessage', {
      body: { message: 'Hi' },
    })
    for (const { body, headers } of [one, two]) {
      expect(body.violatedPolicies).toEqual(['streams'])
      expect(Number(headers['retry-after'])).toBeGreaterThan(0)
    }

    const asking = alice.expect(200, 'sendMessage', { body: { message: 'Hi' } })
    ;(await engine.next()).end()
    await asking
    const bobs = await running(bob)
    bobs.turn.end()
    await bobs.stream.rest()
    turn.end()
    for (const each of [stream, ...others]) await each.rest()
    expect(await allPlacesFree(alice, start.generationId)).toBe(true)
  })

  test('are given back when the reader hangs up, and when a start is refused', async () => {
    const alice = await server.createUser()
    const { turn, stream, start } = await running(alice)
    for (const each of await follow(alice, start.generationId, PLACES - 1)) each.hangUp()
    await until(() => allPlacesFree(alice, start.generationId))
    const { conversationId } = start
    for (let refused = 0; refused < 2 * PLACES; refused += 1) {
      const busy = { body: { message: 'Hi', conversationId } }
      await alice.refused('conversation-busy', 'streamMessage', busy)
      const nowhere = { body: { message: 'Hi', conversationId: randomUUID() } }
      await alice.refused('not-found', 'streamMessage', nowhere)
      await alice.refused('not-found', 'resumeStream', { path: { generationId: randomUUID() } })
    }
    await until(() => allPlacesFree(alice, start.generationId))
    turn.end()
    await stream.rest()
  })

  test('are not taken by HEAD, which ends at once', async () => {
    const alice = await server.createUser()
    const { turn, stream, start } = await running(alice)
    const url = alice.urlOf('resumeStream', { path: start })
    // The next request on a connection waits for the end of the answer before it.
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    for (let i = 0; i < 2 * PLACES; i += 1) {
      const head = await send(url, { method: 'HEAD', headers: alice.credentials, agent })
      expect([head.status, head.text]).toEqual([200, ''])
      expect(head.headers['content-type']).toBe('text/event-stream')
    }
    await until(() => allPlacesFree(alice, start.generationId))
    agent.destroy()
    turn.end()
    await stream.rest()
  })

  test(`are all free after ${QUICK} quick connects and aborts`, async () => {
    const alice = await server.createUser()
    const random = createRandom(seedOfRun())
    const { turn, stream, start } = await running(alice)
    await inParallel(QUICK, () => hangUpAtRandom(alice, start.generationId, random))
    await until(() => allPlacesFree(alice, start.generationId))
    turn.end()
    await stream.rest()
  }, 60_000)
})

test('a place that is taken after its caller has hung up is given back', async () => {
  const testStore = await openTestStore()
  const { store } = testStore
  const gate = createDeferred<undefined>()
  let claims = 0
  const claim: typeof store.idempotencyKeys.claim = async (which) => {
    claims += 1
    await gate.promise
    return store.idempotencyKeys.claim(which)
  }
  const slow = { ...store, idempotencyKeys: { ...store.idempotencyKeys, claim } }
  const own = await startServer({ testStore, replacements: { deps: { engine, store: slow } } })
  const alice = await own.createUser()
  const { turn, stream, start } = await running(alice)
  for (let i = 0; i < PLACES; i += 1) {
    const sent = request(alice.urlOf('streamMessage'), {
      method: 'POST',
      headers: {
        ...alice.credentials,
        'Content-Type': 'application/json',
        'Idempotency-Key': randomUUID(),
      },
      agent: false,
    })
    sent.on('error', () => undefined)
    sent.end(JSON.stringify({ message: 'Hi', conversationId: randomUUID() }))
    await until(() => claims === i + 1)
    sent.destroy()
  }
  const gone = () => own.logLines().filter((line) => line['hungUp'] === true).length === PLACES
  await until(gone)
  gate.resolve(undefined)
  await until(() => allPlacesFree(alice, start.generationId))
  turn.end()
  await stream.rest()
  await own.close()
  await testStore.close()
}, 60_000)

test(`${ABORTS} connects and aborts leave nothing behind`, async () => {
  const own = await startServer({
    env: { MAX_OPEN_STREAMS: '1000' },
    replacements: { deps: { engine } },
    clock: server.clock,
  })
  const alice = await own.createUser()
  const random = createRandom(seedOfRun())
  const { turn, stream, start } = await openManualStream(engine, alice)
  const rejected: unknown[] = []
  const note = (error: unknown) => void rejected.push(error)
  process.on('unhandledRejection', note)
  const look = async () => {
    global.gc?.()
    return {
      sockets: process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP')).length,
      timers: own.clock.pending,
      connections: await connectionsOf(own),
      heap: process.memoryUsage().heapUsed,
    }
  }
  const abort = () => hangUpAtRandom(alice, start.generationId, random)
  await inParallel(ABORTS / 10, abort)
  const settled = () => until(async () => (await look()).timers <= before.timers, 20_000)
  let before = await look()
  before = await until(async () => {
    const [one, two] = [await look(), await look()]
    return one.timers === two.timers && two
  })
  const warnings: string[] = []
  const warn = (warning: Error) => void warnings.push(warning.message)
  process.on('warning', warn)
  await inParallel(ABORTS, abort)
  await settled()
  const after = await until(async () => {
    const now = await look()
    // One that was kept alive for the next call is closed when none has come.
    const areClosed = now.connections <= before.connections
    return areClosed && now.sockets <= before.sockets + 2 && now
  }, 20_000)
  // Fewer, if what went on at the first look has ended since.
  expect(after.timers).toBeLessThanOrEqual(before.timers)
  // MaxListenersExceededWarning names what keeps adding listeners.
  expect(warnings.filter((text) => text.includes('leak'))).toEqual([])
  expect(rejected).toEqual([])

  if (global.gc) expect(after.heap - before.heap).toBeLessThan(20 * 1024 * 1024)
  process.off('warning', warn).off('unhandledRejection', note)
  turn.end()
  expect((await stream.rest()).at(-1)!.name).toBe('message.end')

  const last = await openStream(alice, { message: 'Hi', conversationId: randomUUID() })
  expect(last.status).toBe(404)

  await own.close()
}, 120_000)
