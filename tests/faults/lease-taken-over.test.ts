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
  savedAs,
  server,
  shared,
  startSecond,
  stored,
  testStore,
} from './lease.given.ts'

/** An instance looks for the database so often, and judges leases when it has seen it for a lease. */
const LOOK_MS = 5_000

describe('after an outage that was longer than a lease', () => {
  /** Two servers of one time; the first makes an answer, whose text is saved so far. */
  async function startTwo() {
    const clock = new TestClock(server.clock.now())
    const startOne = async () => {
      const leaving = createOutageStore(shared)
      const instead = { deps: { engine, store: leaving.store } }
      return { leaving, server: await startServer({ testStore, clock, replacements: instead }) }
    }
    const [owner, other] = [await startOne(), await startOne()]
    const pass = (ms: number) => advanceWithPings(clock, testStore.store, ms)
    const alice = await owner.server.createUser()
    const held = await openManualStream(engine, alice)
    const row = stored(alice, held.start)
    await pass(2 * LEASE_MS)
    const setAway = (isUnavailable: boolean, ...instances: (typeof owner)[]) => {
      for (const { leaving } of instances) leaving.isUnavailable = isUnavailable
    }
    const close = async () => {
      for (const one of [owner, other]) await one.server.close()
    }
    return { ...held, alice, owner, other, row, pass, setAway, close }
  }

  test('an answer that waits is nobody else’s to end, whoever reaches the database first', async () => {
    const { alice, turn, stream, start, owner, other, row, pass, setAway, close } = await startTwo()
    setAway(true, owner, other)
    turn.say(' there')
    turn.end()
    await pass(3 * LEASE_MS)
    setAway(false, other)
    await pass(SWEEP_MS)
    const { status, leaseUntil } = (await row.generation())!
    expect(status).toBe('running')
    expect(leaseUntil.getTime()).toBeLessThan(other.server.clock.now().getTime())

    const onOther = createClient(other.server.url, alice.identity)
    const path = { conversationId: start.conversationId }
    const { body } = await onOther.expect(200, 'getConversation', { path })
    expect(body.messages[1]).toMatchObject({ status: 'inProgress' })

    setAway(false, owner)
    await pass(LOOK_MS)
    const events = await stream.rest()
    expect(events.map(({ name }) => name)).toEqual(['message.delta', 'message.end'])
    expect(events[1]!.event).toMatchObject({ message: { content: 'Hello there' } })

    await close()
  })

  test('one whose instance died in it is ended by another, a lease after the outage', async () => {
    const { turn, stream, owner, other, row, pass, setAway, close } = await startTwo()
    setAway(true, owner, other)
    turn.end()
    await pass(LEASE_MS)
    owner.server.parley.services.generations.stopAll()
    await pass(LEASE_MS)
    expect((await stream.rest()).at(-1)!.name).toBe('message.error')

    setAway(false, owner, other)
    await until(async () => {
      await pass(LOOK_MS)
      return (await row.generation())?.status === 'interrupted'
    })
    expect(await row.text()).toBe('Hello')

    await close()
  })
})

describe('an answer whose instance was taken for dead', () => {
  async function interrupted(firstWords: string) {
    const alice = await server.createUser()
    const held = await openManualStream(engine, alice, { firstWords })
    const row = stored(alice, held.start)
    await savedAs(row, firstWords)
    const second = await startSecond(30_000)
    await until(async () => {
      await second.clock.advance(LOOK_MS)
      return (await row.generation())?.status === 'interrupted'
    })
    return { ...held, alice, second, onSecond: createClient(second.url, alice.identity) }
  }

  test('is interrupted with its saved text, and its conversation is free', async () => {
    const { second, onSecond, start, turn, stream } = await interrupted('Saved')
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

  test('ends there, should it still live, with one event and without changing anything', async () => {
    const { second, onSecond, start, turn, stream } = await interrupted('Saved')
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

  test('ends there with the number and the problem that every replay has', async () => {
    const { second, onSecond, start, turn, stream } = await interrupted('Saved')

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
    'is stopped there at the next save, with %j to save',
    async (more) => {
      const { second, turn, stream } = await interrupted('Saved')
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

  test('and deleted elsewhere is stopped too', async () => {
    const alice = await server.createUser()
    const { turn, stream, start } = await openManualStream(engine, alice)
    const second = await startSecond(0)
    const path = { conversationId: start.conversationId }
    await createClient(second.url, alice.identity).expect(204, 'deleteConversation', { path })
    await server.clock.advance(1_000)
    expect((await stream.rest()).map(({ name }) => name)).toEqual(['message.cancelled'])
    expect(turn.signal.aborted).toBe(true)

    await second.close()
  })
})
