import { randomUUID } from 'node:crypto'
import { Agent, request } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createDeferred } from '../../src/lib/deferred.ts'
import type { Client } from '../support/client.ts'
import { openTestStore } from '../support/database/database.ts'
import { createManualEngine, openManualStream } from '../support/upstream/manual-engine.ts'
import { createRandom, seedOfRun } from '../support/random.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { type OpenStream, resumeStream } from '../support/wire/stream.ts'
import { until } from '../support/clock/until.ts'
import { send } from '../support/wire/wire.ts'
import { hangUpAtRandom, runConcurrently } from './random-hang-ups.given.ts'

/** The streams that one caller may have open. */
const SLOTS = 5
const HANG_UPS = 1_000

const engine = createManualEngine()
let server: TestServer
beforeAll(async () => {
  server = await startServer({ replacements: { deps: { engine } } })
}, 60_000)
afterAll(() => server.close())

/** Opens several streams of one answer. */
function openStreams(client: Client, generationId: string, times: number): Promise<OpenStream[]> {
  return Promise.all(Array.from({ length: times }, () => resumeStream(client, generationId)))
}

/** Returns whether every slot is free but the one of the running answer. */
async function areSlotsFree(client: Client, generationId: string): Promise<boolean> {
  const streams = await openStreams(client, generationId, SLOTS - 1)
  for (const stream of streams) stream.hangUp()
  return streams.every(({ status }) => status === 200)
}

describe('the slots for open streams', () => {
  test('are five for new and resumed streams of one user, without POST /chat', async () => {
    const [alice, bob] = [await server.createUser(), await server.createUser()]
    const { turn, stream, start } = await openManualStream(engine, alice)
    const others = await openStreams(alice, start.generationId, SLOTS - 1)
    const path = { generationId: start.generationId }

    const resumption = await alice.refused('too-many-streams', 'resumeStream', { path })
    const newStream = await alice.refused('too-many-streams', 'streamMessage', {
      body: { message: 'Hi' },
    })

    for (const { body, headers } of [resumption, newStream]) {
      expect(body.violatedPolicies).toEqual(['streams'])
      expect(Number(headers['retry-after'])).toBeGreaterThan(0)
    }

    const chat = alice.expect(200, 'sendMessage', { body: { message: 'Hi' } })
    ;(await engine.next()).end()
    await chat

    const bobStream = await openManualStream(engine, bob)
    bobStream.turn.end()
    await bobStream.stream.rest()

    turn.end()
    for (const each of [stream, ...others]) await each.rest()
    expect(await areSlotsFree(alice, start.generationId)).toBe(true)
  })

  test('are freed when the reader disconnects and when a start is refused', async () => {
    const alice = await server.createUser()
    const { turn, stream, start } = await openManualStream(engine, alice)

    for (const each of await openStreams(alice, start.generationId, SLOTS - 1)) each.hangUp()
    await until(() => areSlotsFree(alice, start.generationId))

    const { conversationId } = start
    for (let refused = 0; refused < 2 * SLOTS; refused += 1) {
      const busy = { body: { message: 'Hi', conversationId } }
      await alice.refused('conversation-busy', 'streamMessage', busy)
      const unknown = { body: { message: 'Hi', conversationId: randomUUID() } }
      await alice.refused('not-found', 'streamMessage', unknown)
      await alice.refused('not-found', 'resumeStream', { path: { generationId: randomUUID() } })
    }

    await until(() => areSlotsFree(alice, start.generationId))
    turn.end()
    await stream.rest()
  })

  test('are not taken by HEAD', async () => {
    const alice = await server.createUser()
    const { turn, stream, start } = await openManualStream(engine, alice)
    const url = alice.urlOf('resumeStream', { path: start })
    // With one connection, a HEAD that did not end would block the next one.
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })

    for (let i = 0; i < 2 * SLOTS; i += 1) {
      const head = await send(url, { method: 'HEAD', headers: alice.credentials, agent })
      expect([head.status, head.text]).toEqual([200, ''])
      expect(head.headers['content-type']).toBe('text/event-stream')
    }

    await until(() => areSlotsFree(alice, start.generationId))
    agent.destroy()
    turn.end()
    await stream.rest()
  })

  test(`are all free after ${HANG_UPS} random disconnects`, async () => {
    const alice = await server.createUser()
    const random = createRandom(seedOfRun())
    const { turn, stream, start } = await openManualStream(engine, alice)

    await runConcurrently(HANG_UPS, () => hangUpAtRandom(alice, start.generationId, random))

    await until(() => areSlotsFree(alice, start.generationId))
    turn.end()
    await stream.rest()
  }, 60_000)

  test('are freed when they are taken after the caller has disconnected', async () => {
    const testStore = await openTestStore()
    const { store } = testStore
    const claimGate = createDeferred<undefined>()
    let claims = 0
    const claim: typeof store.idempotencyKeys.claim = async (which) => {
      claims += 1
      await claimGate.promise
      return store.idempotencyKeys.claim(which)
    }
    const slow = { ...store, idempotencyKeys: { ...store.idempotencyKeys, claim } }
    const slowServer = await startServer({
      testStore,
      replacements: { deps: { engine, store: slow } },
    })
    const alice = await slowServer.createUser()
    const { turn, stream, start } = await openManualStream(engine, alice)

    for (let i = 0; i < SLOTS; i += 1) {
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
    const areHangUpsLogged = () =>
      slowServer.logLines().filter((line) => line['hungUp'] === true).length === SLOTS
    await until(areHangUpsLogged)
    claimGate.resolve(undefined)

    await until(() => areSlotsFree(alice, start.generationId))
    turn.end()
    await stream.rest()

    await slowServer.close()
    await testStore.close()
  }, 60_000)
})
