import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { EngineFailure } from '../../src/engine/engine.ts'
import type { Client } from '../support/client.ts'
import { createManualEngine, openManualStream } from '../support/upstream/manual-engine.ts'
import { send } from '../support/wire/wire.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { openStream, resumeStream, textOf } from '../support/wire/stream.ts'
import { startUpstream, type TestUpstream } from '../support/upstream/upstream.ts'

/** As many exchanges as a model is told, and one more. */
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

function streamOf(...choices: object[]): void {
  const events = choices.map((choice) => JSON.stringify({ choices: [{ index: 0, ...choice }] }))
  const body = [...events, '[DONE]'].map((data) => `data: ${data}\n\n`).join('')
  upstream.script = { reply: { contentType: 'text/event-stream', body } }
}

test.each([
  ['length', 'length'],
  ['content_filter', 'contentFilter'],
  ['stop', 'stop'],
])('an answer that ends for %s says so wherever it is shown', async (said, finishReason) => {
  streamOf({ delta: { content: 'Yes' } }, { delta: {}, finish_reason: said })
  const events = await (await openStream(alice, { message: 'Well?' })).rest()
  const { event } = events.at(-1)!
  if (event.type !== 'message.end') throw new Error(JSON.stringify(event))
  const { message } = event
  expect(message).toMatchObject({ content: 'Yes', status: 'complete', finishReason })

  const path = { conversationId: message.conversationId }
  const { body: conversation } = await alice.expect(200, 'getConversation', { path })
  expect(conversation.messages.at(-1)).toEqual(message)

  const { body: page } = await alice.expect(200, 'listMessages', { path })
  expect(page.data.map((one) => one.finishReason)).toEqual([undefined, finishReason])

  const address = alice.urlOf('exportConversation', { path })
  const exported = await send(address, { headers: alice.credentials })
  expect(exported.text).toContain(`"finishReason":"${finishReason}"`)

  const [, generationId] = /^(.*):\d+$/.exec(events[0]!.id)!
  const again = await (await resumeStream(alice, generationId!)).rest()
  expect(again).toEqual(events)
})

test('an answer whose end gives no reason names none', async () => {
  streamOf({ delta: { content: 'Yes' } })

  const { body } = await alice.expect(200, 'sendMessage', { body: { message: 'Well?' } })

  expect(body.message).not.toHaveProperty('finishReason')
  expect(body.message).not.toHaveProperty('omittedMessages')
})

test('an answer beyond what is kept ends for its length', async () => {
  upstream.script = { words: ['x'.repeat(40_000), 'y'.repeat(40_000)] }

  const { body } = await alice.expect(200, 'sendMessage', { body: { message: 'Well?' } })

  expect(body.message.content).toHaveLength(65_536)
  expect(body.message.finishReason).toBe('length')
})

test('thoughts are neither shown nor kept nor sent back', async () => {
  streamOf(
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

test('a thought whose beginning was cut off is text, and the operator hears of it', async () => {
  streamOf(
    { delta: { content: 'Okay, so.\n</think>\n\nYes' } },
    { delta: {}, finish_reason: 'stop' },
  )

  const { body } = await alice.expect(200, 'sendMessage', { body: { message: 'Well?' } })

  expect(body.message.content).toBe('Okay, so.\n</think>\n\nYes')
  expect(server.logLines()).toContainEqual(
    expect.objectContaining({ reason: expect.stringContaining('</think>') }),
  )
})

test('an answer of nothing but a call of a tool says why, is not worth repeating, and keeps nothing', async () => {
  streamOf({ delta: { tool_calls: [{ index: 0 }] } }, { delta: {}, finish_reason: 'tool_calls' })
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

test('how many messages of a long conversation its model did not see is told with the answer', async () => {
  let conversationId: string | undefined
  const told: (number | undefined)[] = []
  for (let exchange = 0; exchange <= EXCHANGES; exchange += 1) {
    const body = { message: `Question ${exchange}`, ...(conversationId && { conversationId }) }
    const { body: reply } = await alice.expect(200, 'sendMessage', { body })
    conversationId = reply.conversationId
    told.push(reply.message.omittedMessages)
  }
  expect(told).toEqual([...Array<undefined>(EXCHANGES).fill(undefined), 2])

  const { messages } = upstream.completions.at(-1)!.body
  const spoken = (messages as { role: string }[]).filter(({ role }) => role !== 'system')
  expect(spoken[0]).toEqual({ role: 'user', content: 'Question 1' })
  expect(spoken).toHaveLength(61)

  const path = { conversationId: conversationId! }
  const { body } = await alice.expect(200, 'getConversation', { path })
  expect(body.messages.at(-1)!.omittedMessages).toBe(2)
})

describe('an engine of another make', () => {
  test('adds what it left out of what it was told', async () => {
    const engine = createManualEngine()
    const held = await startServer({ replacements: { deps: { engine } } })
    const bob = await held.createUser()
    const { turn, stream } = await openManualStream(engine, bob)
    turn.end(undefined, { finishReason: 'stop', omittedMessages: 3 })
    const { event } = (await stream.rest()).at(-1)!
    expect(event).toMatchObject({ message: { finishReason: 'stop', omittedMessages: 3 } })

    await held.close()
  })

  test('that fails midway is heard with the same sentence by whoever reads it again', async () => {
    const engine = createManualEngine()
    const held = await startServer({ replacements: { deps: { engine } } })
    const bob = await held.createUser()
    const { turn, stream, start } = await openManualStream(engine, bob)
    const detail = 'The model has gone home.'
    turn.fail(new EngineFailure('upstream-failed', 'gone', { detail }))
    const end = (await stream.rest()).at(-1)!
    expect(end.event).toMatchObject({ type: 'message.error', problem: { detail } })

    const again = (await (await resumeStream(bob, start.generationId)).rest()).at(-1)!
    expect(again.event).toMatchObject({ type: 'message.error', problem: { detail } })

    await held.close()
  })
})
