import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { EngineFailure } from '../../src/engine/engine.ts'
import type { Client } from '../support/client.ts'
import { TestClock } from '../support/clock/clock.ts'
import { createManualEngine, openManualStream } from '../support/upstream/manual-engine.ts'
import { type Instances, startInstances } from '../support/process/instances.ts'
import { advanceWithPings, advanceUntilSettled } from '../support/clock/passing-time.ts'
import { runningGeneration } from '../support/running-generation.ts'
import { createRandom, seedOfRun } from '../support/random.ts'
import type { TestServer } from '../support/server.ts'
import { openStream, resumeStream } from '../support/wire/stream.ts'
import { until } from '../support/clock/until.ts'
import { terminalEventOf } from './terminal-events.given.ts'

const RACES = 50

const engine = createManualEngine()
let instances: Instances
let first: TestServer
let second: TestServer
beforeAll(async () => {
  const replacements = { deps: { engine } }
  // Each has its own clock, so that one can stand still as if its instance had died.
  instances = await startInstances(() =>
    [new TestClock(), new TestClock()].map((clock) => ({ clock, replacements })),
  )
  ;[first, second] = instances.servers as [TestServer, TestServer]
}, 60_000)
afterAll(() => instances.close())

async function cancel(client: Client, path: { generationId: string }) {
  return (await client.expect(200, 'cancelGeneration', { path })).body
}

async function getGeneration(client: Client, path: { generationId: string }) {
  return (await client.expect(200, 'getGeneration', { path })).body
}

function storedMessage(client: Client, path: { conversationId: string }) {
  return client.expect(200, 'getConversation', { path }).then(({ body }) => body.messages.at(-1)!)
}

describe('cancelling an answer', () => {
  test('keeps the text so far, and sends it with its usage to every reader', async () => {
    const alice = await first.createUser()
    const { turn, stream, start } = await openManualStream(engine, alice)
    const reader = await resumeStream(alice, start.generationId)
    const there = await resumeStream(instances.on(second, alice), start.generationId)

    const message = await cancel(alice, start)

    expect(turn.signal.aborted).toBe(true)
    expect(message).toMatchObject({ id: start.messageId, content: 'Hello', status: 'cancelled' })
    expect(message.usage!.totalTokens).toBeGreaterThan(0)

    const readers = [
      stream.rest(),
      reader.rest(),
      advanceUntilSettled([second.clock], there.rest()),
    ]
    for (const events of await Promise.all(readers)) {
      const { usage } = message
      expect(terminalEventOf(events).event).toEqual({ type: 'message.cancelled', message, usage })
    }
    expect(await storedMessage(alice, start)).toEqual(message)
  })

  test('keeps an empty message before the first text, and still sends message.start', async () => {
    const alice = await first.createUser()
    const opening = openStream(alice, { message: 'Hi' })
    await engine.next()

    const message = await cancel(alice, await runningGeneration(alice))

    expect(message).toMatchObject({ content: '', status: 'cancelled' })

    const events = await (await opening).rest()
    expect(events.map(({ name }) => name)).toEqual(['message.start', 'message.cancelled'])
  })

  test('returns the same message when it is repeated, concurrently or later', async () => {
    const alice = await first.createUser()
    const { stream, start } = await openManualStream(engine, alice)

    const messages = await Promise.all([cancel(alice, start), cancel(alice, start)])
    messages.push(await cancel(alice, start), await cancel(instances.on(second, alice), start))

    for (const message of messages) expect(message).toEqual(messages[0])

    terminalEventOf(await stream.rest())
  })

  test('changes nothing after the end, and returns the complete message', async () => {
    const alice = await first.createUser()
    const { turn, stream, start } = await openManualStream(engine, alice)
    turn.end()
    await stream.rest()

    const message = await cancel(alice, start)

    expect(message).toMatchObject({ content: 'Hello', status: 'complete' })
    expect(await storedMessage(alice, start)).toEqual(message)
    expect((await getGeneration(alice, start)).status).toBe('completed')
  })

  test('returns 404 for another user’s or an unknown generation, and stops nothing', async () => {
    const [alice, mallory] = [await first.createUser(), await first.createUser()]
    const { turn, stream, start } = await openManualStream(engine, alice)

    for (const server of [first, second]) {
      await instances.on(server, mallory).refused('not-found', 'cancelGeneration', { path: start })
    }
    const unknown = { generationId: randomUUID() }
    await alice.refused('not-found', 'cancelGeneration', { path: unknown })
    await first.clock.advance(1_000)
    expect(turn.signal.aborted).toBe(false)

    turn.end()
    expect(terminalEventOf(await stream.rest()).name).toBe('message.end')
  })

  test('stops an answer that runs on another instance', async () => {
    const alice = await first.createUser()
    const { turn, stream, start } = await openManualStream(engine, alice)

    const cancelling = cancel(instances.on(second, alice), start)
    const { prisma } = instances.testStore.database
    const where = { id: start.generationId }
    await until(async () => (await prisma.generation.findUnique({ where }))?.cancelRequestedAt)
    // A check is skipped while a save is in progress, so time advances until one runs.
    await advanceUntilSettled(
      [first.clock],
      until(() => turn.signal.aborted),
    )
    const message = await advanceUntilSettled([second.clock], cancelling)

    expect(message).toMatchObject({ content: 'Hello', status: 'cancelled' })
    expect(terminalEventOf(await stream.rest()).event).toMatchObject({
      type: 'message.cancelled',
      message,
    })
  })

  test('returns the saved text as interrupted when its instance has died', async () => {
    const alice = await first.createUser()
    const { turn, stream, start } = await openManualStream(engine, alice)
    const { prisma } = instances.testStore.database
    const which = { where: { id: start.messageId } }
    const saved = until(async () => (await prisma.message.findUnique(which))?.content !== '')
    await advanceUntilSettled([first.clock], saved)

    const there = instances.on(second, alice)
    await advanceWithPings(second.clock, second.parley.deps.store, 60_000)
    const message = await advanceUntilSettled([second.clock], cancel(there, start))

    expect(message).toMatchObject({ content: 'Hello', status: 'interrupted' })
    expect((await getGeneration(there, start)).status).toBe('interrupted')

    turn.end()
    expect(terminalEventOf(await stream.rest()).event).toMatchObject({
      message: { status: 'interrupted' },
    })
  })

  test('agrees with the only terminal event when it races with the end', async () => {
    const seed = seedOfRun()
    const random = createRandom(seed)
    const terminalEvents = { cancelled: 'message.cancelled', complete: 'message.end' }
    const alice = await first.createUser()
    for (let race = 0; race < RACES; race += 1) {
      const { turn, stream, start } = await openManualStream(engine, alice)
      const ending = async () => {
        for (let turns = random.int(0, 6); turns > 0; turns -= 1) {
          await new Promise((resolve) => setImmediate(resolve))
        }
        turn.end()
      }

      const [message] = await Promise.all([cancel(alice, start), ending()])
      const end = terminalEventOf(await stream.rest())

      expect(end.name, `TEST_SEED=${seed}`).toBe(
        terminalEvents[message.status as keyof typeof terminalEvents],
      )
      expect(end.event).toMatchObject({ message })
      expect(await storedMessage(alice, start)).toEqual(message)
    }
  }, 60_000)
})

describe('a generation', () => {
  test('is shown in each of its statuses', async () => {
    const alice = await first.createUser()
    const running = await openManualStream(engine, alice)
    const now = first.clock.now().toISOString()
    expect(await getGeneration(alice, running.start)).toEqual({
      id: running.start.generationId,
      conversationId: running.start.conversationId,
      messageId: running.start.messageId,
      status: 'running',
      startedAt: now,
    })

    const endings = {
      completed: (opened: typeof running) => {
        opened.turn.end({ inputTokens: 1, outputTokens: 2, totalTokens: 3, source: 'upstream' })
      },
      failed: (opened: typeof running) => {
        opened.turn.fail(new EngineFailure('upstream-failed', ''))
      },
      cancelled: (opened: typeof running) => cancel(alice, opened.start),
    }
    for (const [status, end] of Object.entries(endings)) {
      const opened = await openManualStream(engine, alice)
      await end(opened)
      await opened.stream.rest()
      const generation = await getGeneration(alice, opened.start)
      const { usage } = await storedMessage(alice, opened.start)
      expect(generation).toMatchObject({ status, endedAt: now, usage })
      expect(usage).toBeDefined()
    }

    await second.clock.advance(120_000)
    const shown = await until(async () => {
      await second.clock.advance(10_000)
      const generation = await getGeneration(alice, running.start)
      return generation.status === 'interrupted' && generation
    })

    expect(shown.endedAt).toBeDefined()
    expect(shown).not.toHaveProperty('usage')

    running.turn.end()
    await running.stream.rest()
  })

  test('is 404 for another user, and for its owner after the conversation is deleted', async () => {
    const [alice, mallory] = [await first.createUser(), await first.createUser()]
    const { turn, stream, start } = await openManualStream(engine, alice)
    turn.end()
    await stream.rest()

    await mallory.refused('not-found', 'getGeneration', { path: start })

    await alice.expect(204, 'deleteConversation', { path: start })
    for (const operationId of ['getGeneration', 'cancelGeneration', 'resumeStream'] as const) {
      await alice.refused('not-found', operationId, { path: start })
    }
  })
})
