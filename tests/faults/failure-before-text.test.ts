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

/** Shorter than the time after which a stream begins without any text. */
const TIMEOUT_SECONDS = 5

/** Returns everything that a failed call could have changed: conversations and usage. */
async function readState(client: Client, { clock }: TestServer) {
  await clock.advance(1)
  const list = await client.expect(200, 'listConversations')
  const read = list.body.data.map(async ({ id: conversationId }) => {
    const path = { conversationId }
    return (await client.expect(200, 'getConversation', { path })).body
  })
  const { totals } = (await client.expect(200, 'getUsage')).body
  return { conversations: await Promise.all(read), totals }
}

describe('an upstream that fails before any text', () => {
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
  ] as const)(
    'causes %s (%i) for %s and stores nothing: %j',
    async (code, status, call, script) => {
      const alice = await server.createUser()
      const first = await alice.expect(200, 'sendMessage', { body: { message: 'Hello' } })
      const { conversationId } = first.body
      await server.clock.advance(60_000)
      const before = await readState(alice, server)
      upstream.script = script

      for (const body of [
        { message: 'In a new one' },
        { message: 'In this one', conversationId },
      ]) {
        const refusal = alice.refused(code, call, { body })
        await upstream.completion(upstream.completions.length + 1)
        await server.clock.advance(TIMEOUT_SECONDS * 1_000)
        expect((await refusal).body).toMatchObject({ status, retryable: true })
      }

      expect(await readState(alice, server)).toEqual(before)

      upstream.script = {}
      const repeated = { body: { message: 'In this one', conversationId } }
      const { body } = await alice.expect(200, 'sendMessage', repeated)
      const after = await readState(alice, server)
      expect(after.conversations[0]!.messages).toEqual([
        first.body.userMessage,
        first.body.message,
        body.userMessage,
        body.message,
      ])
      const sentMessages = upstream.completions.at(-1)!.body.messages as { content: string }[]
      expect(sentMessages.slice(1).map(({ content }) => content)).toEqual([
        'Hello',
        first.body.message.content,
        'In this one',
      ])
    },
  )

  test('leaves an empty conversation unchanged', async () => {
    const alice = await server.createUser()
    const created = await alice.expect(201, 'createConversation', { body: { title: 'Plans' } })
    const before = await readState(alice, server)
    upstream.script = { status: 500 }
    const body = { message: 'Hi', conversationId: created.body.id }

    await alice.refused('upstream-failed', 'sendMessage', { body })

    expect(await readState(alice, server)).toEqual(before)
  })
})

describe('an engine that sends no text', () => {
  const engine = createManualEngine()
  /** While it is set, `undo` waits for it first. */
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

  test('fails in the stream when 10 s have passed, because the stream has begun by then', async () => {
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

    const { conversations, totals } = await readState(alice, server)
    expect(conversations[0]!.messages.map(({ status }) => status)).toEqual(['complete', 'failed'])
    expect(totals).toMatchObject({ requests: 1, messages: 0 })
  })

  test('fails with a problem when less than 10 s have passed', async () => {
    const alice = await server.createUser()
    const refusal = alice.refused('upstream-timeout', 'streamMessage', { body: { message: 'Hi' } })
    const turn = await engine.next()
    await server.clock.advance(9_999)
    turn.fail(new EngineFailure('upstream-timeout', 'silence'))

    await refusal

    expect((await readState(alice, server)).conversations).toEqual([])
  })

  test('fails with a problem when it fails at the moment the 10 s end', async () => {
    const alice = await server.createUser()
    const refusal = alice.refused('upstream-failed', 'streamMessage', { body: { message: 'Hi' } })
    const turn = await engine.next()
    const opened = createDeferred<undefined>()
    gate = opened.promise
    turn.fail(new EngineFailure('upstream-failed', ''))
    await server.clock.advance(10_000)
    opened.resolve(undefined)

    await refusal

    expect((await readState(alice, server)).conversations).toEqual([])
  })

  test('leaves nothing behind when it fails while the database is unreachable, once that is back', async () => {
    const alice = await server.createUser()
    const refusal = alice.refused('upstream-failed', 'streamMessage', { body: { message: 'Hi' } })
    const turn = await engine.next()
    gate = Promise.reject(new DatabaseUnavailable('unreachable'))
    gate.catch(() => undefined)
    turn.fail(new EngineFailure('upstream-failed', ''))
    await server.clock.advance(99)
    gate = undefined
    await server.clock.advance(1)

    await refusal

    expect((await readState(alice, server)).conversations).toEqual([])
  })

  test('is reported as unavailable when the server stops, so that the caller can retry elsewhere', async () => {
    const alice = await server.createUser()
    const body = { message: 'Hi' }
    const refusals = [
      alice.refused('unavailable', 'streamMessage', { body }),
      alice.refused('unavailable', 'sendMessage', { body }),
    ]
    await Promise.all([engine.next(), engine.next()])
    server.parley.services.generations.stopAll()

    await Promise.all(refusals)

    expect((await readState(alice, server)).conversations).toEqual([])
  })

  test('fails with a problem for POST /chat, even after 30 s', async () => {
    const alice = await server.createUser()
    const refusal = alice.refused('upstream-failed', 'sendMessage', { body: { message: 'Hi' } })
    const turn = await engine.next()
    await server.clock.advance(30_000)
    turn.fail(new EngineFailure('upstream-failed', ''))

    await refusal

    expect((await readState(alice, server)).conversations).toEqual([])
  })
})
