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
import { openStream, resumeStream, type WireEvent } from '../support/wire/stream.ts'
import { until } from '../support/clock/until.ts'

const RACES = 50
const TERMINAL = new Set(['message.end', 'message.cancelled', 'message.error'])

const engine = createManualEngine()
let instances: Instances
let first: TestServer
let second: TestServer
beforeAll(async () => {
  const instead = { deps: { engine } }
  // Clocks of their own: that of a dead instance stands still.
  instances = await startInstances(() =>
    [new TestClock(), new TestClock()].map((clock) => ({ clock, instead })),
  )
  ;[first, second] = instances.servers as [TestServer, TestServer]
}, 60_000)
afterAll(() => instances.close())

async function cancel(client: Client, path: { generationId: string }) {
  return (await client.expect(200, 'cancelGeneration', { path })).body
}

async function statusOf(client: Client, path: { generationId: string }) {
  return (await client.expect(200, 'getGeneration', { path })).body
}

function keptMessage(client: Client, path: { conversationId: string }) {
  return client.expect(200, 'getConversation', { path }).then(({ body }) => body.messages.at(-1)!)
}

/** The one event that ends it. */
function endOf(events: readonly WireEvent[]) {
  expect(events.filter(({ name }) => TERMINAL.has(name))).toEqual([events.at(-1)])
  return events.at(-1)!
}

describe('cancelling an answer', () => {
  test('keeps the text so far, and ends every reader with it and its usage', async () => {
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
      expect(endOf(events).event).toEqual({ type: 'message.cancelled', message, usage })
    }
    expect(await keptMessage(alice, start)).toEqual(message)
  })

  test('before its first piece keeps an empty message, and the stream still begins', async () => {
    const alice = await first.createUser()
    const opening = openStream(alice, { message: 'Hi' })
    await engine.next()
    const message = await cancel(alice, await runningGeneration(alice))
    expect(message).toMatchObject({ content: '', status: 'cancelled' })

    const events = await (await opening).rest()
    expect(events.map(({ name }) => name)).toEqual(['message.start', 'message.cancelled'])
  })

  test('twice, at once or one after the other, answers the same', async () => {
    const alice = await first.createUser()
    const { stream, start } = await openManualStream(engine, alice)
    const answers = await Promise.all([cancel(alice, start), cancel(alice, start)])
    answers.push(await cancel(alice, start), await cancel(instances.on(second, alice), start))
    for (const message of answers) expect(message).toEqual(answers[0])

    endOf(await stream.rest())
  })

  test('after its end changes nothing and answers the whole message', async () => {
    const alice = await first.createUser()
    const { turn, stream, start } = await openManualStream(engine, alice)
    turn.end()
    await stream.rest()

    const message = await cancel(alice, start)

    expect(message).toMatchObject({ content: 'Hello', status: 'complete' })
    expect(await keptMessage(alice, start)).toEqual(message)
    expect((await statusOf(alice, start)).status).toBe('completed')
  })

  test('of somebody else, or of nobody, is 404 and stops nothing', async () => {
    const [alice, mallory] = [await first.createUser(), await first.createUser()]
    const { turn, stream, start } = await openManualStream(engine, alice)
    for (const server of [first, second]) {
      await instances.on(server, mallory).refused('not-found', 'cancelGeneration', { path: start })
    }
    const nowhere = { generationId: randomUUID() }
    await alice.refused('not-found', 'cancelGeneration', { path: nowhere })
    await first.clock.advance(1_000)
    expect(turn.signal.aborted).toBe(false)

    turn.end()
    expect(endOf(await stream.rest()).name).toBe('message.end')
  })

  test('asked of another instance takes effect there at its next look', async () => {
    const alice = await first.createUser()
    const { turn, stream, start } = await openManualStream(engine, alice)
    const cancelling = cancel(instances.on(second, alice), start)
    const { prisma } = instances.testStore.database
    const where = { id: start.generationId }
    await until(async () => (await prisma.generation.findUnique({ where }))?.cancelRequestedAt)
    // A look is skipped while something is still being saved: time goes on until one asks.
    await advanceUntilSettled(
      [first.clock],
      until(() => turn.signal.aborted),
    )

    const message = await advanceUntilSettled([second.clock], cancelling)

    expect(message).toMatchObject({ content: 'Hello', status: 'cancelled' })
    expect(endOf(await stream.rest()).event).toMatchObject({ type: 'message.cancelled', message })
  })

  test('whose instance is dead answers what it has saved, interrupted', async () => {
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
    expect((await statusOf(there, start)).status).toBe('interrupted')

    turn.end()
    expect(endOf(await stream.rest()).event).toMatchObject({ message: { status: 'interrupted' } })
  })

  test('in a race with its end has one end, and the message says the same', async () => {
    const seed = seedOfRun()
    const random = createRandom(seed)
    const ends = { cancelled: 'message.cancelled', complete: 'message.end' }
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
      const end = endOf(await stream.rest())
      expect(end.name, `TEST_SEED=${seed}`).toBe(ends[message.status as keyof typeof ends])
      expect(end.event).toMatchObject({ message })
      expect(await keptMessage(alice, start)).toEqual(message)
    }
  }, 60_000)
})

describe('a generation', () => {
  test('is shown in every status it can have', async () => {
    const alice = await first.createUser()
    const running = await openManualStream(engine, alice)
    const now = first.clock.now().toISOString()
    expect(await statusOf(alice, running.start)).toEqual({
      id: running.start.generationId,
      conversationId: running.start.conversationId,
      messageId: running.start.messageId,
      status: 'running',
      startedAt: now,
    })

    const ways = {
      completed: (held: typeof running) => {
        held.turn.end({ inputTokens: 1, outputTokens: 2, totalTokens: 3, source: 'upstream' })
      },
      failed: (held: typeof running) => {
        held.turn.fail(new EngineFailure('upstream-failed', ''))
      },
      cancelled: (held: typeof running) => cancel(alice, held.start),
    }
    for (const [status, end] of Object.entries(ways)) {
      const held = await openManualStream(engine, alice)
      await end(held)
      await held.stream.rest()
      const generation = await statusOf(alice, held.start)
      const { usage } = await keptMessage(alice, held.start)
      expect(generation).toMatchObject({ status, endedAt: now, usage })
      expect(usage).toBeDefined()
    }
    await second.clock.advance(120_000)
    const shown = await until(async () => {
      await second.clock.advance(10_000)
      const generation = await statusOf(alice, running.start)
      return generation.status === 'interrupted' && generation
    })
    expect(shown.endedAt).toBeDefined()
    expect(shown).not.toHaveProperty('usage')

    running.turn.end()
    await running.stream.rest()
  })

  test('of somebody else, or whose conversation is gone, is 404', async () => {
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
