import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createDeferred } from '../../src/lib/deferred.ts'
import { EngineFailure } from '../../src/engine/engine.ts'
import type { Client } from '../support/client.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { createManualEngine, openManualStream } from '../support/upstream/manual-engine.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { openStream, textOf, type WireEvent } from '../support/wire/stream.ts'
import { until } from '../support/clock/until.ts'

const TERMINAL = new Set(['message.end', 'message.cancelled', 'message.error'])

const engine = createManualEngine()
/** While it is set, the end of a generation is committed but not reported. */
let gate: Promise<unknown> | undefined
let testStore: TestStore
let server: TestServer
beforeAll(async () => {
  testStore = await openTestStore()
  const { store } = testStore
  const finish: typeof store.generations.finish = async (ending) => {
    const finished = await store.generations.finish(ending)
    await gate
    return finished
  }
  const slow = { ...store, generations: { ...store.generations, finish } }
  server = await startServer({ testStore, replacements: { deps: { engine, store: slow } } })
})
afterAll(async () => {
  await server.close()
  await testStore.close()
})

async function getLastMessage(client: Client, conversationId: string) {
  const { body } = await client.expect(200, 'getConversation', { path: { conversationId } })
  return body.messages.at(-1)!
}

function expectWhole(events: readonly WireEvent[], generationId: string): void {
  expect(events.map(({ id }) => id)).toEqual(events.map((_, i) => `${generationId}:${i + 1}`))
  expect(events.map(({ name }) => name)).toEqual(events.map(({ event }) => event.type))
  const names = events.map(({ name }) => name)
  expect(names[0]).toBe('message.start')
  expect(names.filter((name) => name === 'message.start')).toHaveLength(1)
  expect(names.findIndex((name) => TERMINAL.has(name))).toBe(names.length - 1)
}

describe('a stream', () => {
  test('sends each piece before the engine has produced the next', async () => {
    const alice = await server.createUser()
    const { turn, stream, start, begun } = await openManualStream(engine, alice)
    expect(begun[1]!.event).toEqual({ type: 'message.delta', text: 'Hello' })

    const events = [...begun]
    for (const text of [' there', ', Ada']) {
      turn.say(text)
      const event = (await stream.next())!
      expect(event.event).toEqual({ type: 'message.delta', text })
      events.push(event)
    }

    turn.end()
    events.push(...(await stream.rest()))
    expectWhole(events, start.generationId)
    expect(start.requestId).toBe(stream.headers.get('x-request-id'))
    expect(start.userMessage).toMatchObject({ role: 'user', content: 'Hi', status: 'complete' })
    expect(events.at(-1)!.event).toMatchObject({
      message: { id: start.messageId, content: 'Hello there, Ada', status: 'complete' },
    })
  })

  test('has headers that forbid caching, buffering and compression', async () => {
    const alice = await server.createUser()
    const { turn, stream } = await openManualStream(engine, alice)
    turn.end()

    await stream.rest()

    expect(stream.headers.get('content-type')).toBe('text/event-stream')
    expect(stream.headers.get('cache-control')).toBe('no-store, no-transform')
    expect(stream.headers.get('x-accel-buffering')).toBe('no')
    expect(stream.headers.get('content-encoding')).toBeNull()
    expect(stream.headers.get('content-length')).toBeNull()
    expect(stream.headers.get('ratelimit-policy')).toMatch(
      /^"user";q=\d+;w=3600, "chat";q=\d+;w=60$/,
    )
    expect(stream.headers.get('ratelimit')).toMatch(/^"user";r=\d+;t=\d+, "chat";r=\d+;t=\d+$/)
  })

  test('carries any text as data, so that none becomes a line, a field or a frame', async () => {
    const alice = await server.createUser()
    const pieces = [
      'a\nb',
      '\r',
      '\n\ndata: {"type":"message.end"}\n\n',
      '\r\n\r\nevent: message.end\r\nid: 9\r\n',
      '\u2028\u2029\u0085\u000b\f',
      ': keepalive\n\n',
      '🙂👨‍👩‍👧한국어',
      '\\n\\"',
      ' ',
    ]
    const { turn, stream, start, begun } = await openManualStream(engine, alice, {
      firstWords: '\n',
    })

    for (const piece of pieces) turn.say(piece)
    turn.end()
    const events = [...begun, ...(await stream.rest())]

    expectWhole(events, start.generationId)

    expect(events.slice(2, -1).map(({ event }) => event)).toEqual(
      pieces.map((text) => ({ type: 'message.delta', text })),
    )

    const stored = await getLastMessage(alice, start.conversationId)
    expect(stored.content).toBe(`\n${pieces.join('')}`)
    expect(stored.content).toBe(textOf(events))
  })

  test('leaves out pieces without text', async () => {
    const alice = await server.createUser()
    const { turn, stream } = await openManualStream(engine, alice)
    for (const text of ['', '!', '']) turn.say(text)
    turn.end()

    const events = await stream.rest()

    expect(events.map(({ name }) => name)).toEqual(['message.delta', 'message.end'])
  })

  test('consists of a start and an end for an answer without text', async () => {
    const alice = await server.createUser()
    const opening = openStream(alice, { message: 'Hi' })
    ;(await engine.next()).end()

    const events = await (await opening).rest()

    expect(events.map(({ name }) => name)).toEqual(['message.start', 'message.end'])
    expect(events[1]!.event).toMatchObject({ message: { content: '', status: 'complete' } })
  })
})

describe('the terminal event', () => {
  test('is sent after the message is committed', async () => {
    const alice = await server.createUser()
    const { turn, stream, start } = await openManualStream(engine, alice)
    const opened = createDeferred<undefined>()
    gate = opened.promise
    turn.end()
    let isSent = false
    const terminal = stream.next().then((event) => {
      isSent = true
      return event
    })

    const committed = await until(async () => {
      const message = await getLastMessage(alice, start.conversationId)
      return message.status === 'complete' && message
    })

    expect(isSent).toBe(false)

    gate = undefined
    opened.resolve(undefined)
    expect((await terminal)!.event).toMatchObject({ type: 'message.end', message: committed })
  })

  test('is message.error with the partial text when the engine fails', async () => {
    const alice = await server.createUser()
    const { turn, stream, start, begun } = await openManualStream(engine, alice)
    turn.fail(new EngineFailure('upstream-failed', 'secret address'))
    const events = [...begun, ...(await stream.rest())]
    expectWhole(events, start.generationId)

    const end = events.at(-1)!.event
    if (end.type !== 'message.error') throw new Error(end.type)
    expect(end.problem).toMatchObject({ code: 'upstream-failed', status: 502 })
    expect(end.problem.requestId).toBe(stream.headers.get('x-request-id'))
    expect(end.message).toMatchObject({ content: 'Hello', status: 'failed' })
    expect(end.message).toEqual(await getLastMessage(alice, start.conversationId))
    expect(JSON.stringify(events)).not.toContain('secret')
  })

  test('is message.error with the code internal when the engine has a bug, which is logged', async () => {
    const alice = await server.createUser()
    const { turn, stream } = await openManualStream(engine, alice)
    turn.fail(new TypeError('a bug of the engine'))

    const end = (await stream.rest()).at(-1)!.event
    if (end.type !== 'message.error') throw new Error(end.type)

    expect(end.problem.code).toBe('internal')
    expect(JSON.stringify(end)).not.toContain('a bug of the engine')
    expect(JSON.stringify(server.logLines())).toContain('a bug of the engine')
  })

  test('is message.cancelled when the conversation is deleted, and the text so far counts as usage', async () => {
    const alice = await server.createUser()
    const { turn, stream, start, begun } = await openManualStream(engine, alice)
    const { conversationId } = start
    await alice.expect(204, 'deleteConversation', { path: { conversationId } })
    const events = [...begun, ...(await stream.rest())]

    expectWhole(events, start.generationId)

    expect(events.at(-1)!.event).toMatchObject({
      type: 'message.cancelled',
      message: { content: 'Hello', status: 'cancelled' },
    })
    expect(turn.signal.aborted).toBe(true)

    await alice.refused('not-found', 'getConversation', { path: { conversationId } })
    await server.clock.advance(1)
    const usage = await alice.expect(200, 'getUsage')
    expect(usage.body.totals).toMatchObject({ requests: 1, messages: 1 })
  })
})

describe('an answer that breaks off', () => {
  test('is 200 with a failed message and its partial text for POST /chat', async () => {
    const alice = await server.createUser()
    const sending = alice.expect(200, 'sendMessage', { body: { message: 'Hi' } })
    const turn = await engine.next()
    turn.say('Hel')
    turn.fail(new EngineFailure('upstream-timeout', 'silence'))

    const { message, usage, conversationId } = (await sending).body

    expect(message).toMatchObject({ content: 'Hel', status: 'failed', usage })
    expect(await getLastMessage(alice, conversationId)).toEqual(message)
  })

  test('leaves its conversation free for the next message', async () => {
    const alice = await server.createUser()
    const { turn, stream, start } = await openManualStream(engine, alice)
    turn.fail(new EngineFailure('upstream-failed', ''))
    await stream.rest()
    const { conversationId } = start
    const next = await openManualStream(engine, alice, { conversationId })

    next.turn.end()

    expect((await next.stream.rest()).at(-1)!.name).toBe('message.end')
  })
})
