import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { INTERRUPTED_SEQ } from '../../src/domain/chat/event-ids.ts'
import { EngineFailure } from '../../src/engine/engine.ts'
import { DatabaseUnavailable, type Store } from '../../src/store/store.ts'
import type { Client } from '../support/client.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { createManualEngine, openManualStream } from '../support/upstream/manual-engine.ts'
import { advanceUntilSettled } from '../support/clock/passing-time.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/clock/until.ts'

type Finish = Store['generations']['finish']
type Undo = Store['generations']['undo']

/** Longer than any lease and any wait of a call. */
const OUTAGE_MS = 90_000
/** The longest pause between two attempts to store an end. */
const LONGEST_RETRY_PAUSE_MS = 5_000
/** A caller that has received nothing yet waits at most this long. */
const LONGEST_WAIT_MS = 10_000

const engine = createManualEngine()
const rejectFinish: Finish = () => Promise.reject(new DatabaseUnavailable('secret address'))
let finish: Finish
let undo: Undo
let replaceableStore: Store
let testStore: TestStore
let server: TestServer
beforeAll(async () => {
  testStore = await openTestStore()
  const { store } = testStore
  const replaceableFinish: Finish = (ending) => finish(ending)
  const replaceableUndo: Undo = (which) => undo(which)
  const generations = { ...store.generations, finish: replaceableFinish, undo: replaceableUndo }
  replaceableStore = { ...store, generations }
  server = await startOnSharedStore()
})
beforeEach(() => {
  ;({ finish, undo } = testStore.store.generations)
})
afterAll(async () => {
  await server.close()
  await testStore.close()
})

function startOnSharedStore(): Promise<TestServer> {
  return startServer({
    testStore,
    replacements: { deps: { engine, store: { ...replaceableStore, embedded: true } } },
  })
}

async function lastMessage(client: Client, conversationId: string) {
  const { body } = await client.expect(200, 'getConversation', { path: { conversationId } })
  return body.messages.at(-1)!
}

describe('when the database is unavailable at the end of an answer', () => {
  test('stores the end once the database is back, and only then sends it', async () => {
    const alice = await server.createUser()
    const { turn, stream, start } = await openManualStream(engine, alice)

    finish = rejectFinish
    turn.end()
    await server.clock.advance(599)
    expect((await lastMessage(alice, start.conversationId)).status).toBe('inProgress')

    finish = testStore.store.generations.finish
    await server.clock.advance(1)
    const events = await stream.rest()
    const message = await lastMessage(alice, start.conversationId)

    expect(events.map(({ name }) => name)).toEqual(['message.end'])
    expect(events[0]!.event).toMatchObject({ message })
    expect(message).toMatchObject({ content: 'Hello', status: 'complete' })
  })

  test('sends the end once, as stored, when the connection breaks after the commit', async () => {
    const alice = await server.createUser()
    const { turn, stream, start } = await openManualStream(engine, alice)

    finish = async (ending) => {
      await testStore.store.generations.finish(ending)
      finish = testStore.store.generations.finish
      throw new DatabaseUnavailable('The connection broke after the commit')
    }
    turn.end()

    await until(async () => {
      const message = await lastMessage(alice, start.conversationId)
      return message.status === 'complete'
    })
    await server.clock.advance(100)
    const events = await stream.rest()

    expect(events.map(({ name }) => name)).toEqual(['message.end'])
    expect(events[0]!.event).toMatchObject({
      message: await lastMessage(alice, start.conversationId),
    })

    await server.clock.advance(1)
    const { totals } = (await alice.expect(200, 'getUsage')).body
    expect(totals).toMatchObject({ requests: 1, messages: 1 })
  })

  test('sends the whole end to a waiting reader after a long outage', async () => {
    const alice = await server.createUser()
    const { turn, stream, start } = await openManualStream(engine, alice)

    await server.clock.advance(1_000)
    finish = rejectFinish
    turn.say(' there')
    turn.end()
    expect((await stream.next())!.name).toBe('message.delta')

    const next = stream.next()
    await server.clock.advance(OUTAGE_MS)
    const { conversationId } = start
    expect(await lastMessage(alice, conversationId)).toMatchObject({ status: 'inProgress' })

    const body = { message: 'Hi', conversationId }
    await alice.refused('conversation-busy', 'sendMessage', { body })

    finish = testStore.store.generations.finish
    await server.clock.advance(LONGEST_RETRY_PAUSE_MS)

    expect((await next)!.event).toMatchObject({
      type: 'message.end',
      message: { content: 'Hello there', status: 'complete' },
    })
    expect(await stream.rest()).toEqual([])
    expect(await lastMessage(alice, conversationId)).toMatchObject({ content: 'Hello there' })

    const again = await openManualStream(engine, alice, { conversationId })
    again.turn.end()
    expect((await again.stream.rest()).at(-1)!.name).toBe('message.end')
  })

  test('completes a waiting POST /chat after a long outage', async () => {
    const alice = await server.createUser()
    const response = alice.expect(200, 'sendMessage', { body: { message: 'Hi' } })
    finish = rejectFinish
    const turn = await engine.next()
    turn.say('Hello')
    turn.end()
    await server.clock.advance(OUTAGE_MS)

    finish = testStore.store.generations.finish
    await server.clock.advance(LONGEST_RETRY_PAUSE_MS)

    expect((await response).body.message).toMatchObject({ content: 'Hello', status: 'complete' })
  })

  test('stores the end although the reader has disconnected', async () => {
    const alice = await server.createUser()
    const { turn, stream, start } = await openManualStream(engine, alice)
    finish = rejectFinish
    turn.end()
    stream.hangUp()
    await server.clock.advance(OUTAGE_MS)
    finish = testStore.store.generations.finish

    const message = await until(async () => {
      await server.clock.advance(LONGEST_RETRY_PAUSE_MS)
      const last = await lastMessage(alice, start.conversationId)
      return last.status !== 'inProgress' && last
    })

    expect(message).toMatchObject({ content: 'Hello', status: 'complete' })
  })

  test('returns 503 for an answer that never began, and withdraws it once the database is back', async () => {
    const alice = await server.createUser()
    const { body } = await alice.expect(201, 'createConversation', { body: {} })
    const path = { conversationId: body.id }
    const request = { message: 'Hi', conversationId: body.id }
    const refusal = alice.refused('unavailable', 'sendMessage', { body: request })

    undo = () => Promise.reject(new DatabaseUnavailable('secret address'))
    const turn = await engine.next()
    turn.fail(new EngineFailure('upstream-failed', ''))
    await server.clock.advance(LONGEST_WAIT_MS)
    expect((await refusal).headers['retry-after']).toBe('2')

    await alice.refused('conversation-busy', 'sendMessage', { body: request })

    undo = testStore.store.generations.undo
    const conversation = await until(async () => {
      await server.clock.advance(LONGEST_RETRY_PAUSE_MS)
      const found = await alice.expect(200, 'getConversation', { path })
      return found.body.messages.length === 0 && found.body
    })

    expect(conversation.messageCount).toBe(0)
  })

  test('sends message.error at shutdown, and leaves the answer interrupted with the saved text', async () => {
    const stopping = await startOnSharedStore()
    const alice = await stopping.createUser()
    const { turn, stream, start } = await openManualStream(engine, alice)
    const find = async () => {
      const { subject } = await stopping.parley.deps.accessTokens.verify(alice.identity.accessToken)
      const which = { id: start.generationId, ownerId: subject }
      return testStore.store.generations.findKept(which)
    }
    await until(async () => {
      await stopping.clock.advance(500)
      return (await find())?.message.content === 'Hello'
    })

    finish = rejectFinish
    turn.say(' there')
    turn.end()
    await stopping.clock.advance(OUTAGE_MS)
    const stopped = stopping.parley.stop(1)
    expect(await advanceUntilSettled([stopping.clock], stopped)).toBe('cut')

    const end = (await stream.rest()).at(-1)!
    expect(end.event).toMatchObject({ type: 'message.error', problem: { code: 'unavailable' } })
    expect(JSON.stringify(end)).not.toContain('secret address')
    expect(JSON.stringify(stopping.logLines())).toContain('generation failed')
    expect(end.id).toBe(`${start.generationId}:${INTERRUPTED_SEQ}`)

    finish = testStore.store.generations.finish
    const next = await startOnSharedStore()

    expect(await find()).toMatchObject({ status: 'interrupted' })
    expect((await find())!.message.content).toMatch(/^Hello/)

    await next.close()
  })

  test('stores the end during the grace period of a shutdown', async () => {
    const stopping = await startOnSharedStore()
    const alice = await stopping.createUser()
    const { turn, stream } = await openManualStream(engine, alice)
    finish = rejectFinish
    turn.end()
    await stopping.clock.advance(OUTAGE_MS)

    const stopped = stopping.parley.stop(30)
    await stopping.clock.advance(1_000)
    finish = testStore.store.generations.finish
    const events = await advanceUntilSettled([stopping.clock], stream.rest())

    expect(events.map(({ name }) => name)).toEqual(['message.end'])
    expect(await advanceUntilSettled([stopping.clock], stopped)).toBe('clean')
  })
})
