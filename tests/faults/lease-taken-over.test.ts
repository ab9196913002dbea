import { describe, expect, test } from 'vitest'
import { createClient } from '../support/client.ts'
import { TestClock } from '../support/clock/clock.ts'
import { createOutageStore } from '../support/database/outage-store.ts'
import { openManualStream } from '../support/upstream/manual-engine.ts'
import { advanceWithPings } from '../support/clock/passing-time.ts'
import { startServer } from '../support/server.ts'
import { resumeStream } from '../support/wire/stream.ts'
import { until } from '../support/clock/until.ts'
import {
  LEASE_MS,
  SWEEP_MS,
  engine,
  untilSaved,
  server,
  shared,
  startSecondInstance,
  storedGeneration,
  testStore,
} from './lease.given.ts'

/** How often an instance checks the database. It judges leases only after a lease without an outage. */
const CHECK_MS = 5_000

describe('after an outage that was longer than a lease', () => {
  /** Starts two servers with one clock. The first has an answer in progress, whose text is saved so far. */
  async function startInstances() {
    const clock = new TestClock(server.clock.now())
    const startInstance = async () => {
      const outage = createOutageStore(shared)
      const replacements = { deps: { engine, store: outage.store } }
      return { outage, server: await startServer({ testStore, clock, replacements }) }
    }
    const [owner, other] = [await startInstance(), await startInstance()]
    const pass = (ms: number) => advanceWithPings(clock, testStore.store, ms)
    const alice = await owner.server.createUser()
    const opened = await openManualStream(engine, alice)
    const row = storedGeneration(alice, opened.start)
    await pass(2 * LEASE_MS)
    const setUnavailable = (isUnavailable: boolean, ...instances: (typeof owner)[]) => {
      for (const { outage } of instances) outage.isUnavailable = isUnavailable
    }
    const close = async () => {
      for (const one of [owner, other]) await one.server.close()
    }
    return { ...opened, alice, owner, other, row, pass, setUnavailable, close }
  }

  test('an ended answer is stored by its own instance, even if another reaches the database first', async () => {
    const { alice, turn, stream, start, owner, other, row, pass, setUnavailable, close } =
      await startInstances()
    setUnavailable(true, owner, other)
    turn.say(' there')
    turn.end()
    await pass(3 * LEASE_MS)

    setUnavailable(false, other)
    await pass(SWEEP_MS)

    const { status, leaseUntil } = (await row.generation())!
    expect(status).toBe('running')
    expect(leaseUntil.getTime()).toBeLessThan(other.server.clock.now().getTime())
    const onOther = createClient(other.server.url, alice.identity)
    const path = { conversationId: start.conversationId }
    const { body } = await onOther.expect(200, 'getConversation', { path })
    expect(body.messages[1]).toMatchObject({ status: 'inProgress' })

    setUnavailable(false, owner)
    await pass(CHECK_MS)
    const events = await stream.rest()
    expect(events.map(({ name }) => name)).toEqual(['message.delta', 'message.end'])
    expect(events[1]!.event).toMatchObject({ message: { content: 'Hello there' } })

    await close()
  })

  test('an answer whose instance died is interrupted by another, a lease after the outage', async () => {
    const { turn, stream, owner, other, row, pass, setUnavailable, close } = await startInstances()
    setUnavailable(true, owner, other)
    turn.end()
    await pass(LEASE_MS)
    owner.server.parley.services.generations.stopAll()
    await pass(LEASE_MS)
    expect((await stream.rest()).at(-1)!.name).toBe('message.error')

    setUnavailable(false, owner, other)
    await until(async () => {
      await pass(CHECK_MS)
      return (await row.generation())?.status === 'interrupted'
    })
    expect(await row.text()).toBe('Hello')

    await close()
  })
})

describe('an answer that another instance interrupted', () => {
  async function openInterrupted(firstWords: string) {
    const alice = await server.createUser()
    const opened = await openManualStream(engine, alice, { firstWords })
    const row = storedGeneration(alice, opened.start)
    await untilSaved(row, firstWords)
    const second = await startSecondInstance(30_000)
    await until(async () => {
      await second.clock.advance(CHECK_MS)
      return (await row.generation())?.status === 'interrupted'
    })
    return { ...opened, alice, second, onSecond: createClient(second.url, alice.identity) }
  }

  test('keeps its saved text and leaves its conversation free', async () => {
    const { second, onSecond, start, turn, stream } = await openInterrupted('Saved')
    const { conversationId } = start
    const path = { conversationId }

    const { body } = await onSecond.expect(200, 'getConversation', { path })

    expect(body.messages[1]).toMatchObject({ content: 'Saved', status: 'interrupted' })
    expect(body.messages[1]).not.toHaveProperty('usage')

    await onSecond.expect(200, 'sendMessage', { body: { message: 'Hello', conversationId } })
    turn.end()
    await stream.rest()
    await second.close()
  })

  test('ends with message.error on its own instance and changes nothing there', async () => {
    const { second, onSecond, start, turn, stream } = await openInterrupted('Saved')
    turn.say(' and lost')
    turn.end()

    const events = await stream.rest()

    expect(events.map(({ name }) => name)).toEqual(['message.delta', 'message.error'])
    expect(events[1]!.event).toMatchObject({
      problem: { code: 'unavailable' },
      message: { id: start.messageId, content: 'Saved', status: 'interrupted' },
    })

    const path = { conversationId: start.conversationId }
    const { body } = await onSecond.expect(200, 'getConversation', { path })
    expect(body.messages[1]).toMatchObject({ content: 'Saved', status: 'interrupted' })

    await second.close()
  })

  test('ends on its own instance with the event number and the problem of every replay', async () => {
    const { second, onSecond, start, turn, stream } = await openInterrupted('Saved')

    turn.end()
    const end = (await stream.rest()).at(-1)!
    const replayed = (await (await resumeStream(onSecond, start.generationId)).rest()).at(-1)!

    if (end.event.type !== 'message.error') throw new Error(end.event.type)
    expect(replayed).toMatchObject({
      id: end.id,
      event: { problem: { code: 'unavailable', detail: end.event.problem.detail } },
    })
    await second.close()
  })

  test.each([[' more'], ['']])(
    'is stopped on its own instance at the next save, with %j to save',
    async (more) => {
      const { second, turn, stream } = await openInterrupted('Saved')
      if (more !== '') {
        turn.say(more)
        await stream.next()
      }

      await server.clock.advance(1_000)

      expect((await stream.rest()).map(({ name }) => name)).toEqual(['message.error'])
      expect(turn.signal.aborted).toBe(true)

      await second.close()
    },
  )

  test('is stopped on its own instance when its conversation is deleted on another', async () => {
    const alice = await server.createUser()
    const { turn, stream, start } = await openManualStream(engine, alice)
    const second = await startSecondInstance(0)
    const path = { conversationId: start.conversationId }
    await createClient(second.url, alice.identity).expect(204, 'deleteConversation', { path })

    await server.clock.advance(1_000)

    expect((await stream.rest()).map(({ name }) => name)).toEqual(['message.cancelled'])
    expect(turn.signal.aborted).toBe(true)

    await second.close()
  })
})
