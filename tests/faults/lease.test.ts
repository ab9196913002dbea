import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createDeferred } from '../../src/lib/deferred.ts'
import { DatabaseUnavailable, type Store } from '../../src/store/store.ts'
import { createClient, type Client } from '../support/client.ts'
import { TestClock } from '../support/clock/clock.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { createOutageStore } from '../support/database/outage-store.ts'
import { createManualEngine, openManualStream } from '../support/upstream/manual-engine.ts'
import { passInSight } from '../support/clock/passing-time.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { resumeStream } from '../support/wire/stream.ts'
import { until } from '../support/clock/until.ts'

const LEASE_MS = 20_000
const SWEEP_MS = 10_000
/** An instance looks for the database so often, and judges leases when it has seen it for a lease. */
const LOOK_MS = 5_000

const engine = createManualEngine()
let saveProgress: Store['generations']['saveProgress']
let testStore: TestStore
/** Several servers share the database: none may take what runs at its start for abandoned. */
let shared: Store
let server: TestServer
beforeAll(async () => {
  testStore = await openTestStore()
  const { store } = testStore
  const save: typeof saveProgress = (progress) => saveProgress(progress)
  const generations = { ...store.generations, saveProgress: save }
  shared = { ...store, generations, embedded: false }
  server = await startServer({ testStore, instead: { deps: { engine, store: shared } } })
})
beforeEach(() => {
  saveProgress = testStore.store.generations.saveProgress
})
afterAll(async () => {
  await server.close()
  await testStore.close()
})

type Start = { generationId: string; messageId: string; conversationId: string }

/** What the database holds of a generation. */
function stored({ identity }: Client, { generationId, messageId }: Start) {
  const { messages, generations } = testStore.store
  const findOwner = async () => {
    const { subject } = await server.parley.deps.accessTokens.verify(identity.accessToken)
    return subject
  }
  return {
    async text() {
      const ownerId = await findOwner()
      return (await messages.findOwned({ id: messageId, ownerId }))?.content
    },
    async generation() {
      const ownerId = await findOwner()
      return generations.find({ id: generationId, ownerId })
    },
  }
}

/** A second instance on the same database, its clock `aheadMs` before that of the first. */
async function startSecond(aheadMs: number) {
  const clock = new TestClock(new Date(server.clock.now().getTime() + aheadMs))
  return startServer({ testStore, clock, instead: { deps: { store: shared } } })
}

/** Lets time pass until this is the text: a turn that comes during a save is skipped. */
function savedAs(row: ReturnType<typeof stored>, text: string) {
  return until(async () => {
    await server.clock.advance(500)
    return (await row.text()) === text
  })
}

/** Lets seconds pass until the lease is seen to be as long as can be. */
function renewed(row: ReturnType<typeof stored>) {
  return until(async () => {
    await server.clock.advance(1_000)
    const leaseUntil = (await row.generation())?.leaseUntil.getTime()
    return leaseUntil === server.clock.now().getTime() + LEASE_MS
  })
}

describe('while an answer is made', () => {
  test('its text is saved as it is made, and shown to nobody before its end', async () => {
    const alice = await server.newUser()
    const { turn, stream, start } = await openManualStream(engine, alice)
    const row = stored(alice, start)
    expect(await row.text()).toBe('')
    await savedAs(row, 'Hello')
    turn.say(' there')
    await stream.next()
    await savedAs(row, 'Hello there')
    const path = { conversationId: start.conversationId }
    const { body } = await alice.expect(200, 'getConversation', { path })
    expect(body.messages[1]).toMatchObject({ status: 'inProgress', content: '' })
    turn.end()
    await stream.rest()
  })

  test('its lease is renewed, whether or not there is more text', async () => {
    const alice = await server.newUser()
    const { turn, stream, start } = await openManualStream(engine, alice)
    for (let renewals = 0; renewals < 3; renewals += 1) await renewed(stored(alice, start))
    turn.end()
    await stream.rest()
  })

  test('text that could not be saved is saved at the next turn, and others all the same', async () => {
    const alice = await server.newUser()
    const failing = await openManualStream(engine, alice)
    const fine = await openManualStream(engine, alice)
    let failures = 0
    saveProgress = async (progress) => {
      if (progress.generationId === failing.start.generationId && failures === 0) {
        failures += 1
        throw new DatabaseUnavailable('away')
      }
      return testStore.store.generations.saveProgress(progress)
    }
    await server.clock.advance(500)
    await until(async () => (await stored(alice, fine.start).text()) === 'Hello')
    expect(await stored(alice, failing.start).text()).toBe('')
    await savedAs(stored(alice, failing.start), 'Hello')
    for (const { turn, stream } of [failing, fine]) {
      turn.end()
      expect((await stream.rest()).at(-1)!.name).toBe('message.end')
    }
  })

  test('a save that comes after its end does not stop an engine that is done', async () => {
    const alice = await server.newUser()
    const { turn, stream } = await openManualStream(engine, alice)
    const [asked, ended] = [createDeferred<undefined>(), createDeferred<undefined>()]
    let saved: ReturnType<typeof saveProgress> | undefined
    saveProgress = async (progress) => {
      asked.resolve(undefined)
      await ended.promise
      saved = testStore.store.generations.saveProgress(progress)
      return saved
    }
    await server.clock.advance(500)
    await asked.promise
    turn.end()
    expect((await stream.rest()).at(-1)!.name).toBe('message.end')
    ended.resolve(undefined)
    await until(() => Promise.resolve(saved !== undefined))
    expect(await saved).toBe('gone')
    await server.clock.advance(500)
    expect(turn.signal.aborted).toBe(false)
  })

  test('another instance leaves it alone for as long as its lease is renewed', async () => {
    const alice = await server.newUser()
    const { turn, stream, start } = await openManualStream(engine, alice)
    const second = await startSecond(0)
    const end = server.clock.now().getTime() + 2 * LEASE_MS
    while (server.clock.now().getTime() < end) {
      await renewed(stored(alice, start))
      const behindMs = server.clock.now().getTime() - second.clock.now().getTime()
      await second.clock.advance(behindMs)
    }
    turn.end()
    expect((await stream.rest()).at(-1)!.name).toBe('message.end')
    await second.close()
  })
})

test('an instance that slept beyond its leases does not take its own answers for dead', async () => {
  const alice = await server.newUser()
  const { turn, stream } = await openManualStream(engine, alice)
  saveProgress = () => Promise.reject(new DatabaseUnavailable('asleep'))
  await server.clock.advance(LEASE_MS + SWEEP_MS)
  saveProgress = testStore.store.generations.saveProgress
  turn.end()
  expect((await stream.rest()).map(({ name }) => name)).toEqual(['message.end'])
})

describe('after an outage that was longer than a lease', () => {
  /** Two servers of one time; the first makes an answer, whose text is saved so far. */
  async function startTwo() {
    const clock = new TestClock(server.clock.now())
    const startOne = async () => {
      const leaving = createOutageStore(shared)
      const instead = { deps: { engine, store: leaving.store } }
      return { leaving, server: await startServer({ testStore, clock, instead }) }
    }
    const [owner, other] = [await startOne(), await startOne()]
    const pass = (ms: number) => passInSight(clock, testStore.store, ms)
    const alice = await owner.server.newUser()
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
    const alice = await server.newUser()
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
    const alice = await server.newUser()
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
