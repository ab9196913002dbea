import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createDeferred } from '../../src/lib/deferred.ts'
import { HashQueue } from '../../src/ports/passwords/hash-queue.ts'
import { createPasswords, type Passwords } from '../../src/ports/passwords/passwords.ts'
import type { Client } from '../support/client.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { createManualEngine, openManualStream } from '../support/upstream/manual-engine.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/clock/until.ts'

const engine = createManualEngine()
/** While it is set, a committed start is reported late. */
let startGate: Promise<unknown> | undefined
let testStore: TestStore
let server: TestServer
beforeAll(async () => {
  testStore = await openTestStore()
  const { store } = testStore
  const start: typeof store.generations.start = async (generation) => {
    const started = await store.generations.start(generation)
    await startGate
    return started
  }
  const slow = { ...store, generations: { ...store.generations, start } }
  server = await startServer({ testStore, replacements: { deps: { engine, store: slow } } })
})
afterAll(async () => {
  await server.close()
  await testStore.close()
})

/** Returns the answer in the user's only conversation once it is no longer in progress. */
function finalMessageOf(client: Client) {
  return until(async () => {
    const { body: list } = await client.expect(200, 'listConversations')
    const path = { conversationId: list.data[0]!.id }
    const { body } = await client.expect(200, 'getConversation', { path })
    const message = body.messages.at(-1)!
    return message.status !== 'inProgress' && message
  })
}

const hangUpsLogged = () => server.logLines().filter((line) => line['hungUp'] === true).length

/** Makes a call that the client can break off. */
function startCall(
  client: Client,
  body: object,
  operationId: 'sendMessage' | 'logIn' = 'sendMessage',
) {
  const abortController = new AbortController()
  const headers = { ...client.credentials, 'Content-Type': 'application/json' }
  const url = client.urlOf(operationId)
  const request = {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
    signal: abortController.signal,
  }
  const outcome = fetch(url, request).catch(() => 'gone')
  return {
    async hangUp() {
      abortController.abort()
      expect(await outcome).toBe('gone')
    },
  }
}

describe('a reader of a stream that disconnects', () => {
  test.each([{}, { onDisconnect: 'continue' as const }])(
    'lets the answer finish and be stored: %j',
    async (request) => {
      const alice = await server.createUser()
      const { turn, stream, start } = await openManualStream(engine, alice, request)
      const before = hangUpsLogged()

      stream.hangUp()
      await until(() => hangUpsLogged() > before)
      turn.say(' without you')
      turn.end()

      expect(await finalMessageOf(alice)).toMatchObject({
        id: start.messageId,
        content: 'Hello without you',
        status: 'complete',
      })
      expect(turn.signal.aborted).toBe(false)
    },
  )

  test('cancels the answer with onDisconnect cancel, and keeps the text so far', async () => {
    const alice = await server.createUser()
    const cancelling = { onDisconnect: 'cancel' as const }
    const { turn, stream, start } = await openManualStream(engine, alice, cancelling)

    stream.hangUp()
    const message = await finalMessageOf(alice)

    expect(turn.signal.aborted).toBe(true)
    expect(message).toMatchObject({ id: start.messageId, content: 'Hello', status: 'cancelled' })

    await server.clock.advance(1)
    const { totals } = (await alice.expect(200, 'getUsage')).body
    expect(totals).toMatchObject({ requests: 1, messages: 1 })
    expect(totals.totalTokens).toBe(message.usage!.totalTokens)

    const { conversationId } = start
    const next = await openManualStream(engine, alice, { conversationId })
    next.turn.end()
    expect((await next.stream.rest()).at(-1)!.name).toBe('message.end')
  })

  test('changes nothing after the end of the answer', async () => {
    const alice = await server.createUser()
    const cancelling = { onDisconnect: 'cancel' as const }
    const { turn, stream } = await openManualStream(engine, alice, cancelling)
    turn.end()
    await stream.rest()

    stream.hangUp()

    expect((await finalMessageOf(alice)).status).toBe('complete')
    expect(turn.signal.aborted).toBe(false)
  })
})

describe('a caller of POST /chat that disconnects', () => {
  test('lets the answer finish and be stored', async () => {
    const alice = await server.createUser()
    const chat = startCall(alice, { message: 'Hi' })
    const turn = await engine.next()
    turn.say('Hello')

    await chat.hangUp()
    turn.end()

    expect(await finalMessageOf(alice)).toMatchObject({ content: 'Hello', status: 'complete' })
  })

  test('cancels the answer with onDisconnect cancel, and keeps the text so far', async () => {
    const alice = await server.createUser()
    const chat = startCall(alice, { message: 'Hi', onDisconnect: 'cancel' })
    const turn = await engine.next()
    turn.say('Hello')

    await chat.hangUp()

    expect(await finalMessageOf(alice)).toMatchObject({ content: 'Hello', status: 'cancelled' })
    expect(turn.signal.aborted).toBe(true)
  })

  test('cancels an answer that has no text yet', async () => {
    const alice = await server.createUser()
    const chat = startCall(alice, { message: 'Hi', onDisconnect: 'cancel' })
    const turn = await engine.next()

    await chat.hangUp()

    expect(await finalMessageOf(alice)).toMatchObject({ content: '', status: 'cancelled' })
    expect(turn.signal.aborted).toBe(true)
  })

  test('cancels a generation whose start is not reported yet', async () => {
    const alice = await server.createUser()
    const committed = createDeferred<undefined>()
    startGate = committed.promise
    const chat = startCall(alice, { message: 'Hi', onDisconnect: 'cancel' })
    await until(async () => (await alice.expect(200, 'listConversations')).body.data.length === 1)
    const before = hangUpsLogged()

    await chat.hangUp()
    await until(() => hangUpsLogged() > before)
    startGate = undefined
    committed.resolve(undefined)

    expect((await engine.next()).signal.aborted).toBe(true)
    expect((await finalMessageOf(alice)).status).toBe('cancelled')
  })
})

describe('a client that disconnects while its POST /auth/login is queued', () => {
  test('frees its place in the password queue, and logs no error', async () => {
    const first = createDeferred<undefined>()
    const queue = new HashQueue({ concurrency: 1, maxWaiting: 1, estimatedMs: 1 })
    const real = createPasswords({ key: Buffer.alloc(32), cost: 4 })
    const passwords: Passwords = {
      ...real,
      load: () => queue.load(),
      verify: (password, hash, signal) => queue.run(() => real.verify(password, hash), signal),
    }
    const busy = await startServer({ replacements: { deps: { passwords } } })
    const running = queue.run(() => first.promise)
    const body = { email: 'admin@example.com', password: 'the admin of the tests' }
    const abandoned = startCall(busy.anonymous, body, 'logIn')
    await until(() => queue.load().waiting === 1)

    await abandoned.hangUp()
    await until(() => queue.load().waiting === 0)

    const next = busy.anonymous.expect(200, 'logIn', { body })
    await until(() => queue.load().waiting === 1)
    first.resolve(undefined)
    await Promise.all([running, next])

    expect(busy.logLines().filter(({ level }) => level === 'error')).toEqual([])
    expect(busy.logLines().filter(({ hungUp }) => hungUp === true)).toHaveLength(1)

    await busy.close()
  })
})
