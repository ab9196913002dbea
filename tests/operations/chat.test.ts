import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Usage } from '../../generated/api.ts'
import { modes } from '../../src/domain/chat/modes.ts'
import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { openStream, textOf } from '../support/wire/stream.ts'
import { engine, getConversation, getTotals, manualServer, sendAndAnswer } from './chat.given.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())

/** Sends the messages in one conversation and returns the last answer. */
async function converse(client: Client, messages: readonly string[]): Promise<string> {
  let conversationId: string | undefined
  let answer = ''
  for (const message of messages) {
    const body = { message, ...(conversationId !== undefined && { conversationId }) }
    const reply = await client.expect(200, 'sendMessage', { body })
    ;({ conversationId } = reply.body)
    answer = reply.body.message.content
  }
  return answer
}

describe('POST /chat', () => {
  test('stores the message and its answer in a new conversation', async () => {
    const alice = await server.createUser()

    const { body } = await alice.expect(200, 'sendMessage', {
      body: { message: 'Hello! My name is Ada.' },
    })

    expect(body.message).toMatchObject({ role: 'assistant', status: 'complete', mode: 'balanced' })
    expect(body.message.content).toContain('Ada')

    const stored = await getConversation(alice, body.conversationId)
    expect(stored.messages).toEqual([body.userMessage, body.message])
    expect(stored.title).toBe('Hello! My name is Ada.')
  })

  test.each([
    [['Hello! My name is Grace.', 'Tell me a joke', 'What is my name?'], 'Grace'],
    [['제 이름은 김민수예요', '농담 해줘', '내 이름이 뭐야?'], '김민수'],
  ])('answers from the earlier messages of the conversation: %j', async (messages, name) => {
    const alice = await server.createUser()

    expect(await converse(alice, messages)).toContain(name)
  })

  test('does not use the messages of another conversation', async () => {
    const alice = await server.createUser()

    await converse(alice, ['My name is Hedwig.'])

    expect(await converse(alice, ['What is my name?'])).not.toContain('Hedwig')
  })

  test('gives the engine all earlier messages in order and the new one last', async () => {
    const alice = await manualServer.createUser()
    const first = await sendAndAnswer(alice, { message: 'one' })
    const { conversationId } = first.reply
    await sendAndAnswer(alice, { message: 'two', conversationId })

    const third = await sendAndAnswer(alice, { message: 'three', conversationId })

    expect(third.turn.conversationId).toBe(conversationId)
    expect(third.turn.messages).toEqual([
      { role: 'user', content: 'one' },
      { role: 'assistant', content: 'answer to one' },
      { role: 'user', content: 'two' },
      { role: 'assistant', content: 'answer to two' },
      { role: 'user', content: 'three' },
    ])
  })

  test('treats the conversation of another user like an unknown one, with and without streaming', async () => {
    const [alice, mallory] = [await server.createUser(), await server.createUser()]
    const { body } = await alice.expect(200, 'sendMessage', { body: { message: 'Hello' } })
    const { conversationId } = body

    for (const unknown of [conversationId, randomUUID()]) {
      const request = { body: { message: 'Hi', conversationId: unknown } }
      const { body: problem } = await mallory.refused('not-found', 'sendMessage', request)
      expect(problem).not.toHaveProperty('detail')
      await mallory.refused('not-found', 'streamMessage', request)
    }

    expect((await getConversation(alice, conversationId)).messageCount).toBe(2)
  })

  test('derives a single-line title from the first message', async () => {
    const alice = await server.createUser()
    const message = `  Hello\r\n\tthere, ${'🙂 '.repeat(100)}`
    const { body } = await alice.expect(200, 'sendMessage', { body: { message } })

    const { title } = await getConversation(alice, body.conversationId)

    expect(title).toMatch(/^Hello there, (🙂 ?)+…$/u)
    expect(body.userMessage.content).toBe(message)
  })

  test('moves an existing conversation to the top and counts both messages', async () => {
    const alice = await manualServer.createUser()
    const { conversationId } = (await sendAndAnswer(alice, { message: 'older' })).reply
    await manualServer.clock.advance(1_000)
    await sendAndAnswer(alice, { message: 'newer' })
    await manualServer.clock.advance(1_000)
    await sendAndAnswer(alice, { message: 'again', conversationId })

    const { body } = await alice.expect(200, 'listConversations')

    expect(body.data.map(({ title }) => title)).toEqual(['older', 'newer'])
    expect(body.data[0]).toMatchObject({ id: conversationId, messageCount: 4 })
  })
})

describe('the mode of an answer', () => {
  async function modeOf(client: Client, body: { conversationId?: string; mode?: string }) {
    const sending = client.expect(200, 'sendMessage', { body: { message: 'Hi', ...body } })
    const turn = await engine.next()
    turn.end()
    const { message } = (await sending).body
    expect(message.mode).toBe(turn.turn.mode.id)
    return message.mode
  }

  test('is that of the message, the conversation, the preference or the default, in this order', async () => {
    const alice = await manualServer.createUser()
    expect(await modeOf(alice, {})).toBe('balanced')

    const preferences = { defaultMode: 'creative' }
    await alice.expect(200, 'replaceProfile', { body: { displayName: 'Ada', preferences } })
    expect(await modeOf(alice, {})).toBe('creative')

    const created = await alice.expect(201, 'createConversation', { body: { mode: 'concise' } })
    const conversationId = created.body.id
    expect(await modeOf(alice, { conversationId })).toBe('concise')
    expect(await modeOf(alice, { conversationId, mode: 'balanced' })).toBe('balanced')
    expect(await modeOf(alice, { conversationId })).toBe('concise')
  })

  test('becomes that of the conversation with its first message', async () => {
    const alice = await server.createUser()

    const { body } = await alice.expect(200, 'sendMessage', {
      body: { message: 'Hi', mode: 'concise' },
    })

    expect((await getConversation(alice, body.conversationId)).mode).toBe('concise')
  })

  test('is refused at /mode when it is unknown, and nothing is stored', async () => {
    const alice = await server.createUser()

    for (const operation of ['sendMessage', 'streamMessage'] as const) {
      const { body } = await alice.refused('invalid-request', operation, {
        body: { message: 'Hi', mode: 'sarcastic' },
      })
      expect(body.errors).toEqual([
        expect.objectContaining({ in: 'body', pointer: '/mode', code: 'enum' }),
      ])
      for (const { id } of modes) expect(body.errors![0]!.detail).toContain(id)
    }

    expect((await alice.expect(200, 'listConversations')).body.data).toEqual([])
  })
})

describe('usage', () => {
  test('is the same in the response and in the message, and the report has the sums', async () => {
    const alice = await server.createUser()
    const usages: Usage[] = []

    for (const message of ['Hello', 'Tell me a joke', '안녕하세요']) {
      const { body } = await alice.expect(200, 'sendMessage', { body: { message } })
      expect(body.usage).toEqual(body.message.usage)
      expect(body.usage.totalTokens).toBe(body.usage.inputTokens! + body.usage.outputTokens!)
      const stored = await getConversation(alice, body.conversationId)
      expect(stored.messages[1]!.usage).toEqual(body.usage)
      usages.push(body.usage)
    }
    const sum = (key: 'inputTokens' | 'outputTokens' | 'totalTokens') =>
      usages.reduce((total, usage) => total + usage[key]!, 0)

    expect(await getTotals(alice, server)).toEqual({
      requests: 3,
      messages: 3,
      inputTokens: sum('inputTokens'),
      outputTokens: sum('outputTokens'),
      totalTokens: sum('totalTokens'),
    })
  })

  test('leaves out what the engine does not report', async () => {
    const alice = await manualServer.createUser()
    const sending = alice.expect(200, 'sendMessage', { body: { message: 'Hi' } })
    const turn = await engine.next()
    turn.say('Hello')
    turn.end({ totalTokens: 7, source: 'upstream' })

    const { body } = await sending

    expect(body.usage).toEqual({ totalTokens: 7, source: 'upstream' })
    expect(body.message.usage).toEqual(body.usage)
  })
})

describe('POST /chat/stream', () => {
  test('streams exactly the stored text and ends with message.end', async () => {
    const alice = await server.createUser()

    const stream = await openStream(alice, { message: 'Tell me a joke' })

    expect(stream.status).toBe(200)

    const events = await stream.rest()
    expect(events.at(0)?.name).toBe('message.start')

    const end = events.at(-1)!.event
    if (end.type !== 'message.end') throw new Error(`ended with ${end.type}`)
    expect(textOf(events)).toBe(end.message.content)
    expect(end.usage).toEqual(end.message.usage)
  })
})
