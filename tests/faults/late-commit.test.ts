import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createDeferred } from '../../src/lib/deferred.ts'
import { EngineFailure } from '../../src/engine/engine.ts'
import { DatabaseUnavailable } from '../../src/store/store.ts'
import type { Client } from '../support/client.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { createManualEngine } from '../support/upstream/manual-engine.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { openStream } from '../support/wire/stream.ts'
import { startUpstream, type TestUpstream } from '../support/upstream/upstream.ts'

/** Shorter than the time after which a stream is begun without a word. */
const TIMEOUT_SECONDS = 5

/** All that a failed call could have changed. */
async function everythingOf(client: Client, { clock }: TestServer) {
  await clock.advance(1)
  const list = await client.expect(200, 'listConversations')
  const read = list.body.data.map(async ({ id: conversationId }) => {
    const path = { conversationId }
    return (await client.expect(200, 'getConversation', { path })).body
  })
  const { totals } = (await client.expect(200, 'getUsage')).body
  return { conversations: await Promise.all(read), totals }
}

describe('an upstream that fails before its first word', () => {
  let upstream: TestUpstream
  let server: TestServer
  beforeAll(async () => {
    upstream = await startUpstream()
    server = await startServer({
      env: {
        CHAT_UPSTREAM_URL: upstream.url,
        CHAT_UPSTREAM_TIMEOUT_SECONDS: String(TIMEOUT_SECONDS),
      },
    })
  })
  beforeEach(() => {
    upstream.script = {}
  })
  afterAll(() => Promise.all([server.close(), upstream.close()]))

  test.each([
    ['upstream-failed', 502, 'sendMessage', { status: 500 }],
    ['upstream-failed', 502, 'streamMessage', { status: 500 }],
    ['upstream-failed', 502, 'streamMessage', { errorAfter: 0 }],
    ['upstream-failed', 502, 'sendMessage', { words: [], withoutFinish: true, withoutDone: true }],
    ['upstream-timeout', 504, 'sendMessage', { stallAfter: 0 }],
    ['upstream-timeout', 504, 'streamMessage', { stallAfter: 0 }],
  ] as const)('is %s (%i) for %s, and nothing is kept: %j', async (code, status, call, script) => {
    const alice = await server.createUser()
    const said = await alice.expect(200, 'sendMessage', { body: { message: 'Hello' } })
    const { conversationId } = said.body
    await server.clock.advance(60_000)
    const before = await everythingOf(alice, server)
    upstream.script = script
    for (const body of [{ message: 'In a new one' }, { message: 'In this one', conversationId }]) {
      const refusal = alice.refused(code, call, { body })
      await upstream.completion(upstream.completions.length + 1)
      await server.clock.advance(TIMEOUT_SECONDS * 1_000)
      expect((await refusal).body).toMatchObject({ status, retryable: true })
    }
    expect(await everythingOf(alice, server)).toEqual(before)

    upstream.script = {}
    const repeated = { body: { message: 'In this one', conversationId } }
    const { body } = await alice.expect(200, 'sendMessage', repeated)
    const after = await everythingOf(alice, server)
    expect(after.conversations[0]!.messages).toEqual([
      said.body.userMessage,
      said.body.message,
      body.userMessage,
      body.message,
    ])

    const asked = upstream.completions.at(-1)!.body.messages as { content: string }[]
    expect(asked.slice(1).map(({ content }) => content)).toEqual([
      'Hello',
      said.body.message.content,
      'In this one',
    ])
  })

  test('leaves a conversation that was made empty as it was', async () => {
    const alice = await server.createUser()
    const made = await alice.expect(201, 'createConversation', { body: { title: 'Plans' } })
    const before = await everythingOf(alice, server)
    upstream.script = { status: 500 }
    const body = { message: 'Hi', conversationId: made.body.id }

    await alice.refused('upstream-failed', 'sendMessage', { body })

    expect(await everythingOf(alice, server)).toEqual(before)
  })
})

describe('an engine that is silent', () => {
  const engine = createManualEngine()
  /** While one is set, taking a beginning back waits for it first. */
  let gate: Promise<unknown> | undefined
  let testStore: TestStore
  let server: TestServer
  beforeAll(async () => {
    testStore = await openTestStore()
    const { store } = testStore
    const undo: typeof store.generations.undo = async (generation) => {
      await gate
      await store.generations.undo(generation)
    }
    const slow = { ...store, generations: { ...store.generations, undo } }
    server = await startServer({ testStore, replacements: { deps: { engine, store: slow } } })
  })
  beforeEach(() => {
    gate = undefined
  })
  afterAll(async () => {
    await server.close()
    await testStore.close()
  })

  test('for 10 s is begun as a stream; its failure is then the stream’s end', async () => {
    const alice = await server.createUser()
    const opening = openStream(alice, { message: 'Hi' })
    const turn = await engine.next()
    await server.clock.advance(10_000)
    const stream = await opening
    expect(stream.status).toBe(200)

    const start = (await stream.next())!.event
    expect(start.type).toBe('message.start')

    turn.fail(new EngineFailure('upstream-timeout', 'silence'))
    const [end, ...more] = await stream.rest()
    expect(end!.event).toMatchObject({
      type: 'message.error',
      problem: { code: 'upstream-timeout' },
      message: { status: 'failed', content: '' },
    })
    expect(more).toEqual([])

    const { conversations, totals } = await everythingOf(alice, server)
    expect(conversations[0]!.messages.map(({ status }) => status)).toEqual(['complete', 'failed'])
    expect(totals).toMatchObject({ requests: 1, messages: 0 })
  })

  test('for less than 10 s is not begun: its failure is a problem', async () => {
    const alice = await server.createUser()
    const refusal = alice.refused('upstream-timeout', 'streamMessage', { body: { message: 'Hi' } })
    const turn = await engine.next()
    await server.clock.advance(9_999)
    turn.fail(new EngineFailure('upstream-timeout', 'silence'))

    await refusal

    expect((await everythingOf(alice, server)).conversations).toEqual([])
  })

  test('and fails as the 10 s are over is a problem, not a stream without an end', async () => {
    const alice = await server.createUser()
    const refusal = alice.refused('upstream-failed', 'streamMessage', { body: { message: 'Hi' } })
    const turn = await engine.next()
    const opened = createDeferred<undefined>()
    gate = opened.promise
    turn.fail(new EngineFailure('upstream-failed', ''))
    await server.clock.advance(10_000)
    opened.resolve(undefined)

    await refusal

    expect((await everythingOf(alice, server)).conversations).toEqual([])
  })

  test('and fails while the database is away is taken back when that is there again', async () => {
    const alice = await server.createUser()
    const refusal = alice.refused('upstream-failed', 'streamMessage', { body: { message: 'Hi' } })
    const turn = await engine.next()
    gate = Promise.reject(new DatabaseUnavailable('away'))
    gate.catch(() => undefined)
    turn.fail(new EngineFailure('upstream-failed', ''))
    await server.clock.advance(99)
    gate = undefined
    await server.clock.advance(1)

    await refusal

    expect((await everythingOf(alice, server)).conversations).toEqual([])
  })

  test('and stopped with the server is a problem: the caller may ask again elsewhere', async () => {
    const alice = await server.createUser()
    const body = { message: 'Hi' }
    const refusals = [
      alice.refused('unavailable', 'streamMessage', { body }),
      alice.refused('unavailable', 'sendMessage', { body }),
    ]
    await Promise.all([engine.next(), engine.next()])
    server.parley.services.generations.stopAll()

    await Promise.all(refusals)

    expect((await everythingOf(alice, server)).conversations).toEqual([])
  })

  test('is not begun for POST /chat, however long it takes', async () => {
    const alice = await server.createUser()
    const refusal = alice.refused('upstream-failed', 'sendMessage', { body: { message: 'Hi' } })
    const turn = await engine.next()
    await server.clock.advance(30_000)
    turn.fail(new EngineFailure('upstream-failed', ''))

    await refusal

    expect((await everythingOf(alice, server)).conversations).toEqual([])
  })
})
