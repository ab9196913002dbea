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
/** While one is set, a start is told late although it is committed. */
let gate: Promise<unknown> | undefined
let testStore: TestStore
let server: TestServer
beforeAll(async () => {
  testStore = await openTestStore()
  const { store } = testStore
  const start: typeof store.generations.start = async (generation) => {
    const started = await store.generations.start(generation)
    await gate
    return started
  }
  const slow = { ...store, generations: { ...store.generations, start } }
  server = await startServer({ testStore, replacements: { deps: { engine, store: slow } } })
})
afterAll(async () => {
  await server.close()
  await testStore.close()
})

/** The answer in the user's only conversation, once it is no longer in the making. */
function finalMessageOf(client: Client) {
  return until(async () => {
    const { body: list } = await client.expect(200, 'listConversations')
    const path = { conversationId: list.data[0]!.id }
    const { body } = await client.expect(200, 'getConversation', { path })
    const message = body.messages.at(-1)!
    return message.status !== 'inProgress' && message
  })
}

/** POST /chat, or another call, by a client that can go away. */
function ask(client: Client, body: object, operationId: 'sendMessage' | 'logIn' = 'sendMessage') {
  const leaving = new AbortController()
  const headers = { ...client.credentials, 'Content-Type': 'application/json' }
  const url = client.urlOf(operationId)
  const request = { method: 'POST', headers, body: JSON.stringify(body), signal: leaving.signal }
  const gone = fetch(url, request).catch(() => 'gone')
  return {
    async hangUp() {
      leaving.abort()
      expect(await gone).toBe('gone')
    },
  }
}

describe('a reader who hangs up', () => {
  test.each([{}, { onDisconnect: 'continue' as const }])(
    'is not needed: the answer is finished and kept: %j',
    async (request) => {
      const alice = await server.createUser()
      const { turn, stream, start } = await openManualStream(engine, alice, request)
      stream.hangUp()
      await until(() => server.logLines().some((line) => line['hungUp'] === true))
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

  test('and wanted it so stops the engine, and the text so far is kept as cancelled', async () => {
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

  test('after the end changes nothing', async () => {
    const alice = await server.createUser()
    const cancelling = { onDisconnect: 'cancel' as const }
    const { turn, stream } = await openManualStream(engine, alice, cancelling)
    turn.end()
    await stream.rest()

    stream.hangUp()

    expect((await finalMessageOf(alice)).status).toBe('complete')
    expect(turn.signal.aborted).toBe(false)
  })

  test('before the first word stops an engine that has not said one', async () => {
    const alice = await server.createUser()
    const chat = ask(alice, { message: 'Hi', onDisconnect: 'cancel' })
    const turn = await engine.next()

    await chat.hangUp()

    expect(await finalMessageOf(alice)).toMatchObject({ content: '', status: 'cancelled' })
    expect(turn.signal.aborted).toBe(true)
  })

  test('before the generation is known to have begun stops it all the same', async () => {
    const alice = await server.createUser()
    const committed = createDeferred<undefined>()
    gate = committed.promise
    const chat = ask(alice, { message: 'Hi', onDisconnect: 'cancel' })
    await until(async () => (await alice.expect(200, 'listConversations')).body.data.length === 1)
    const before = server.logLines().length
    await chat.hangUp()
    await until(() =>
      server
        .logLines()
        .slice(before)
        .some((line) => line['hungUp'] === true),
    )
    gate = undefined

    committed.resolve(undefined)

    expect((await engine.next()).signal.aborted).toBe(true)
    expect((await finalMessageOf(alice)).status).toBe('cancelled')
  })
})

describe('POST /chat that is hung up', () => {
  test('is finished and kept without the caller', async () => {
    const alice = await server.createUser()
    const chat = ask(alice, { message: 'Hi' })
    const turn = await engine.next()
    turn.say('Hello')
    await chat.hangUp()

    turn.end()

    expect(await finalMessageOf(alice)).toMatchObject({ content: 'Hello', status: 'complete' })
  })

  test('is stopped if the caller wanted it so, and the text so far is kept', async () => {
    const alice = await server.createUser()
    const chat = ask(alice, { message: 'Hi', onDisconnect: 'cancel' })
    const turn = await engine.next()
    turn.say('Hello')

    await chat.hangUp()

    expect(await finalMessageOf(alice)).toMatchObject({ content: 'Hello', status: 'cancelled' })
    expect(turn.signal.aborted).toBe(true)
  })
})

describe('a login that is hung up while others are before it', () => {
  test('gives its place in the queue of hashes to whoever is still there, and is no failure', async () => {
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
    const leaver = ask(busy.anonymous, body, 'logIn')
    await until(() => queue.load().waiting === 1)
    await leaver.hangUp()
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
