import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createDeferred } from '../../src/lib/deferred.ts'
import type { Client } from '../support/client.ts'
import { until } from '../support/clock/until.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { spyOnStore, type SpyStore } from '../support/database/spy-store.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { openStream } from '../support/wire/stream.ts'

/** A stream opens after this time, even if the engine has not been asked yet. */
const OPENS_AFTER_MS = 10_000
/** An answer whose lease was not renewed for this long counts as interrupted. */
const LEASE_MS = 30_000
const FIRST_EXCHANGE = ['user complete', 'assistant complete']

/** Sends a first message: without one there is no history to read. */
async function createConversation(client: Client): Promise<string> {
  const { body } = await client.expect(200, 'sendMessage', { body: { message: 'Hello' } })
  return body.conversationId
}

async function rolesAndStatuses(client: Client, conversationId: string) {
  const { body } = await client.expect(200, 'getConversation', { path: { conversationId } })
  return body.messages.map(({ role, status }) => `${role} ${status}`)
}

describe('when the history of a conversation cannot be read', () => {
  let testStore: TestStore
  let store: SpyStore
  let server: TestServer
  beforeAll(async () => {
    testStore = await openTestStore()
    store = spyOnStore(testStore.store)
    server = await startServer({ testStore, replacements: { deps: { store: store.store } } })
  })
  afterAll(async () => {
    await server.close()
    await testStore.close()
  })

  test.each(['sendMessage', 'streamMessage'] as const)(
    '%s returns 503 unavailable and stores nothing',
    async (operationId) => {
      const alice = await server.createUser()
      const conversationId = await createConversation(alice)
      const restore = store.instead('messages.history', () => Promise.reject(new Error('unread')))

      const body = { message: 'And?', conversationId }
      await alice.refused('unavailable', operationId, { body })

      restore()
      expect(await rolesAndStatuses(alice, conversationId)).toEqual(FIRST_EXCHANGE)
    },
  )

  test('a stream that has already opened ends with message.error, and its answer is interrupted after a lease', async () => {
    const alice = await server.createUser()
    const conversationId = await createConversation(alice)
    const reading = createDeferred<undefined>()
    const restore = store.instead('messages.history', async () => {
      await reading.promise
      throw new Error('unread')
    })
    const calls = store.calls.length
    const opening = openStream(alice, { message: 'And?', conversationId })
    await until(() => store.calls.slice(calls).includes('messages.history'))
    await server.clock.advance(OPENS_AFTER_MS)
    const stream = await opening
    const start = await stream.next()

    reading.resolve(undefined)
    const rest = await stream.rest()

    restore()
    expect(start?.event.type).toBe('message.start')
    expect(rest.map(({ event }) => event.type)).toEqual(['message.error'])
    await server.clock.advance(LEASE_MS)
    expect(await rolesAndStatuses(alice, conversationId)).toEqual([
      ...FIRST_EXCHANGE,
      'user complete',
      'assistant interrupted',
    ])
  })
})
