import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { DatabaseUnavailable, type Store } from '../../src/store/store.ts'
import type { Client } from '../support/client.ts'
import { openTestStore, type TestStore } from '../support/database.ts'
import { createHeldEngine, openHeldStream } from '../support/held-engine.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/until.ts'

type Finish = Store['generations']['finish']

/** Longer than an end is tried to be written. */
const OUTAGE_MS = 10_000
/** What is left behind is looked for so often. */
const SWEEP_MS = 10_000

const engine = createHeldEngine()
const away: Finish = () => Promise.reject(new DatabaseUnavailable('secret address'))
let finish: Finish
let testStore: TestStore
let server: TestServer
beforeAll(async () => {
  testStore = await openTestStore()
  const { store } = testStore
  const failing: Finish = (ending) => finish(ending)
  const replaced = { ...store, generations: { ...store.generations, finish: failing } }
  server = await startServer({ testStore, instead: { deps: { engine, store: replaced } } })
})
beforeEach(() => {
  finish = testStore.store.generations.finish
})
afterAll(async () => {
  await server.close()
  await testStore.close()
})

async function lastMessage(client: Client, conversationId: string) {
  const { body } = await client.expect(200, 'getConversation', { path: { conversationId } })
  return body.messages.at(-1)!
}

describe('an end that the database does not take', () => {
  test('is written again when it is back, and only then told', async () => {
    const alice = await server.newUser()
    const { turn, stream, start } = await openHeldStream(engine, alice)
    finish = away
    turn.end()
    await server.clock.advance(599)
    expect((await lastMessage(alice, start.conversationId)).status).toBe('inProgress')
    finish = testStore.store.generations.finish
    await server.clock.advance(1)
    const events = await stream.rest()
    expect(events.map(({ name }) => name)).toEqual(['message.end'])
    const message = await lastMessage(alice, start.conversationId)
    expect(events[0]!.event).toMatchObject({ message })
    expect(message).toMatchObject({ content: 'Hello', status: 'complete' })
  })

  test('or took without saying so, is told once as it was written', async () => {
    const alice = await server.newUser()
    const { turn, stream, start } = await openHeldStream(engine, alice)
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

  test('for long is message.error unavailable, and the answer is interrupted later', async () => {
    const alice = await server.newUser()
    const { turn, stream, start } = await openHeldStream(engine, alice)
    await server.clock.advance(1_000)
    finish = away
    turn.end()
    await server.clock.advance(OUTAGE_MS)
    const events = await stream.rest()
    expect(events.map(({ name }) => name)).toEqual(['message.error'])
    expect(events[0]!.event).toMatchObject({ problem: { code: 'unavailable', status: 503 } })
    expect(JSON.stringify(events)).not.toContain('secret address')
    expect(JSON.stringify(server.logged())).toContain('generation failed')

    finish = testStore.store.generations.finish
    const { conversationId } = start
    await alice.refused('conversation-busy', 'sendMessage', {
      body: { message: 'Hi', conversationId },
    })
    const message = await until(async () => {
      await server.clock.advance(SWEEP_MS)
      const last = await lastMessage(alice, conversationId)
      return last.status !== 'inProgress' && last
    })
    expect(message).toMatchObject({ content: 'Hello', status: 'interrupted' })
    const next = await openHeldStream(engine, alice, { conversationId })
    next.turn.end()
    expect((await next.stream.rest()).at(-1)!.name).toBe('message.end')
  })

  test('for long is 503 for POST /chat', async () => {
    const alice = await server.newUser()
    const refusal = alice.refused('unavailable', 'sendMessage', { body: { message: 'Hi' } })
    finish = away
    const turn = await engine.next()
    turn.say('Hello')
    turn.end()
    await server.clock.advance(OUTAGE_MS)
    expect((await refusal).headers['retry-after']).toBe('2')
  })
})
