import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { EngineFailure } from '../../src/engine/engine.ts'
import type { Client } from '../support/client.ts'
import { createManualEngine, openManualStream } from '../support/upstream/manual-engine.ts'
import { send } from '../support/wire/wire.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { openStream, resumeStream, textOf } from '../support/wire/stream.ts'
import { startUpstream, type TestUpstream } from '../support/upstream/upstream.ts'

/** One more exchange than the server sends to a model. */
const EXCHANGES = 31

let upstream: TestUpstream
let server: TestServer
let alice: Client
beforeAll(async () => {
  upstream = await startUpstream()
  const env = { CHAT_UPSTREAM_URL: upstream.url, RATE_LIMIT_CHAT: '1000/60' }
  server = await startServer({ env })
})
beforeEach(async () => {
  upstream.script = {}
  alice = await server.createUser()
})
afterAll(() => Promise.all([server.close(), upstream.close()]))

/** Lets the upstream answer with a stream of these choices. */
function scriptStream(...choices: object[]): void {
  const events = choices.map((choice) => JSON.stringify({ choices: [{ index: 0, ...choice }] }))
  const body = [...events, '[DONE]'].map((data) => `data: ${data}\n\n`).join('')
  upstream.script = { reply: { contentType: 'text/event-stream', body } }
}

describe('finishReason', () => {
  test.each([
    ['length', 'length'],
    ['content_filter', 'contentFilter'],
    ['stop', 'stop'],
  ])('is shown in every view of an answer that ends with %s', async (reason, finishReason) => {
    scriptStream({ delta: { content: 'Yes' } }, { delta: {}, finish_reason: reason })

    const events = await (await openStream(alice, { message: 'Well?' })).rest()
    const { event } = events.at(-1)!
    if (event.type !== 'message.end') throw new Error(JSON.stringify(event))
    const { message } = event

    expect(message).toMatchObject({ content: 'Yes', status: 'complete', finishReason })

    const path = { conversationId: message.conversationId }
    const { body: conversation } = await alice.expect(200, 'getConversation', { path })
    expect(conversation.messages.at(-1)).toEqual(message)

    const { body: page } = await alice.expect(200, 'listMessages', { path })
    expect(page.data.map((message) => message.finishReason)).toEqual([undefined, finishReason])

    const address = alice.urlOf('exportConversation', { path })
    const exported = await send(address, { headers: alice.credentials })
    expect(exported.text).toContain(`"finishReason":"${finishReason}"`)

    const [, generationId] = /^(.*):\d+$/.exec(events[0]!.id)!
    const resumed = await (await resumeStream(alice, generationId!)).rest()
    expect(resumed).toEqual(events)
  })

  test('is absent when the upstream gives none', async () => {
    scriptStream({ delta: { content: 'Yes' } })

    const { body } = await alice.expect(200, 'sendMessage', { body: { message: 'Well?' } })

    expect(body.message).not.toHaveProperty('finishReason')
    expect(body.message).not.toHaveProperty('omittedMessages')
  })

  test('is length for an answer that exceeds the longest stored text', async () => {
    upstream.script = { words: ['x'.repeat(40_000), 'y'.repeat(40_000)] }

    const { body } = await alice.expect(200, 'sendMessage', { body: { message: 'Well?' } })

    expect(body.message.content).toHaveLength(65_536)
    expect(body.message.finishReason).toBe('length')
  })
})

describe('the reasoning of a model', () => {
  test('is neither shown nor stored nor sent back to the model', async () => {
    scriptStream(
      { delta: { reasoning_content: 'the plan' } },
      { delta: { content: '<think>the plan</think>Yes' } },
      { delta: {}, finish_reason: 'stop' },
    )

    const events = await (await openStream(alice, { message: 'Well?' })).rest()

    expect(textOf(events)).toBe('Yes')

    const { event } = events.at(-1)!
    if (event.type !== 'message.end') throw new Error(JSON.stringify(event))
    const { conversationId } = event.message

    upstream.script = {}
    await alice.expect(200, 'sendMessage', { body: { message: 'And?', conversationId } })
    const { messages } = upstream.completions.at(-1)!.body

    expect(JSON.stringify(messages)).not.toContain('plan')
    expect(messages).toContainEqual({ role: 'assistant', content: 'Yes' })
  })

  test('is text when its opening tag is missing, and the log says so', async () => {
    scriptStream(
      { delta: { content: 'Okay, so.\n</think>\n\nYes' } },
      { delta: {}, finish_reason: 'stop' },
    )

    const { body } = await alice.expect(200, 'sendMessage', { body: { message: 'Well?' } })

    expect(body.message.content).toBe('Okay, so.\n</think>\n\nYes')
    expect(server.logLines()).toContainEqual(
      expect.objectContaining({ reason: expect.stringContaining('</think>') }),
    )
  })
})

describe('an answer that is only a tool call', () => {
  test('is refused with a reason, not retryable, and not stored', async () => {
    scriptStream(
      { delta: { tool_calls: [{ index: 0 }] } },
      { delta: {}, finish_reason: 'tool_calls' },
    )
    const body = { message: 'Well?' }

    const problem = await alice.refused('upstream-refused', 'sendMessage', { body })

    expect(problem.body).toMatchObject({
      status: 502,
      retryable: false,
      detail: expect.stringContaining('tool'),
    })

    const { body: list } = await alice.expect(200, 'listConversations')
    expect(list.data).toEqual([])
    expect(server.logLines()).toContainEqual(
      expect.objectContaining({
        code: 'upstream-refused',
        reason: expect.stringContaining('called a tool'),
      }),
    )
  })
})

describe('omittedMessages', () => {
  test('counts the earlier messages that the model did not see', async () => {
    let conversationId: string | undefined
    const omitted: (number | undefined)[] = []

    for (let exchange = 0; exchange <= EXCHANGES; exchange += 1) {
      const body = { message: `Question ${exchange}`, ...(conversationId && { conversationId }) }
      const { body: reply } = await alice.expect(200, 'sendMessage', { body })
      conversationId = reply.conversationId
      omitted.push(reply.message.omittedMessages)
    }

    expect(omitted).toEqual([...Array<undefined>(EXCHANGES).fill(undefined), 2])

    const { messages } = upstream.completions.at(-1)!.body
    const sent = (messages as { role: string }[]).filter(({ role }) => role !== 'system')
    expect(sent[0]).toEqual({ role: 'user', content: 'Question 1' })
    expect(sent).toHaveLength(61)

    const path = { conversationId: conversationId! }
    const { body } = await alice.expect(200, 'getConversation', { path })
    expect(body.messages.at(-1)!.omittedMessages).toBe(2)
  })

  test('is the number that the engine reports', async () => {
    const engine = createManualEngine()
    const engineServer = await startServer({ replacements: { deps: { engine } } })
    const bob = await engineServer.createUser()
    const { turn, stream } = await openManualStream(engine, bob)

    turn.end(undefined, { finishReason: 'stop', omittedMessages: 3 })
    const { event } = (await stream.rest()).at(-1)!

    expect(event).toMatchObject({ message: { finishReason: 'stop', omittedMessages: 3 } })

    await engineServer.close()
  })
})

describe('an engine that fails in the middle of an answer', () => {
  test('sends the same detail to a reader who resumes the stream', async () => {
    const engine = createManualEngine()
    const engineServer = await startServer({ replacements: { deps: { engine } } })
    const bob = await engineServer.createUser()
    const { turn, stream, start } = await openManualStream(engine, bob)
    const detail = 'The model is out of memory.'

    turn.fail(new EngineFailure('upstream-failed', 'out of memory', { detail }))
    const end = (await stream.rest()).at(-1)!

    expect(end.event).toMatchObject({ type: 'message.error', problem: { detail } })

    const resumed = (await (await resumeStream(bob, start.generationId)).rest()).at(-1)!
    expect(resumed.event).toMatchObject({ type: 'message.error', problem: { detail } })

    await engineServer.close()
  })
})
