import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Usage } from '../../generated/api.ts'
import { modes } from '../../src/domain/chat/modes.ts'
import type { Client } from '../support/client.ts'
import { createManualEngine } from '../support/upstream/manual-engine.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { openStream, textOf } from '../support/wire/stream.ts'

const engine = createManualEngine()
let server: TestServer
/** With an engine that says what the test says. */
let held: TestServer
beforeAll(async () => {
  server = await startServer()
  held = await startServer({ replacements: { deps: { engine } } })
})
afterAll(() => Promise.all([server.close(), held.close()]))

/** Says one thing after the other in one conversation; gives the last answer. */
async function talk(client: Client, messages: readonly string[]): Promise<string> {
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

/** Sends a message and lets the held engine answer it at once. */
async function answered(client: Client, body: { message: string; conversationId?: string }) {
  const asking = client.expect(200, 'sendMessage', { body })
  const turn = await engine.next()
  turn.say(`answer to ${body.message}`)
  turn.end()
  return { reply: (await asking).body, turn: turn.turn }
}

async function conversationOf(client: Client, conversationId: string) {
  return (await client.expect(200, 'getConversation', { path: { conversationId } })).body
}

/** A report ends before the moment it is made at. */
async function totalsOf(client: Client, { clock }: TestServer) {
  await clock.advance(1)
  return (await client.expect(200, 'getUsage')).body.totals
}

describe('a conversation', () => {
  test('answers with a message that is kept, in a conversation made for it', async () => {
    const alice = await server.createUser()
    const { body } = await alice.expect(200, 'sendMessage', {
      body: { message: 'Hello! My name is Ada.' },
    })
    expect(body.message).toMatchObject({ role: 'assistant', status: 'complete', mode: 'balanced' })
    expect(body.message.content).toContain('Ada')

    const kept = await conversationOf(alice, body.conversationId)
    expect(kept.messages).toEqual([body.userMessage, body.message])
    expect(kept.title).toBe('Hello! My name is Ada.')
  })

  test.each([
    [['Hello! My name is Grace.', 'Tell me a joke', 'What is my name?'], 'Grace'],
    [['제 이름은 김민수예요', '농담 해줘', '내 이름이 뭐야?'], '김민수'],
  ])('remembers over several calls what it was told first: %j', async (messages, name) => {
    const alice = await server.createUser()

    expect(await talk(alice, messages)).toContain(name)
  })

  test('does not remember what was said in another conversation', async () => {
    const alice = await server.createUser()

    await talk(alice, ['My name is Hedwig.'])

    expect(await talk(alice, ['What is my name?'])).not.toContain('Hedwig')
  })

  test('tells the engine everything said before, in order, and the new message last', async () => {
    const alice = await held.createUser()
    const first = await answered(alice, { message: 'one' })
    const { conversationId } = first.reply
    await answered(alice, { message: 'two', conversationId })

    const third = await answered(alice, { message: 'three', conversationId })

    expect(third.turn.conversationId).toBe(conversationId)
    expect(third.turn.messages).toEqual([
      { role: 'user', content: 'one' },
      { role: 'assistant', content: 'answer to one' },
      { role: 'user', content: 'two' },
      { role: 'assistant', content: 'answer to two' },
      { role: 'user', content: 'three' },
    ])
  })

  test('of somebody else does not exist, whoever asks and however', async () => {
    const [alice, mallory] = [await server.createUser(), await server.createUser()]
    const { body } = await alice.expect(200, 'sendMessage', { body: { message: 'Hello' } })
    const { conversationId } = body

    for (const unknown of [conversationId, randomUUID()]) {
      const request = { body: { message: 'Hi', conversationId: unknown } }
      const { body: problem } = await mallory.refused('not-found', 'sendMessage', request)
      expect(problem).not.toHaveProperty('detail')
      await mallory.refused('not-found', 'streamMessage', request)
    }

    expect((await conversationOf(alice, conversationId)).messageCount).toBe(2)
  })

  test('is titled after its first message, on one line', async () => {
    const alice = await server.createUser()
    const message = `  Hello\r\n\tthere, ${'🙂 '.repeat(100)}`
    const { body } = await alice.expect(200, 'sendMessage', { body: { message } })

    const { title } = await conversationOf(alice, body.conversationId)

    expect(title).toMatch(/^Hello there, (🙂 ?)+…$/u)
    expect(body.userMessage.content).toBe(message)
  })

  test('is only moved to the top by a message, and counts both sides', async () => {
    const alice = await held.createUser()
    const { conversationId } = (await answered(alice, { message: 'older' })).reply
    await held.clock.advance(1_000)
    await answered(alice, { message: 'newer' })
    await held.clock.advance(1_000)
    await answered(alice, { message: 'again', conversationId })

    const { body } = await alice.expect(200, 'listConversations')

    expect(body.data.map(({ title }) => title)).toEqual(['older', 'newer'])
    expect(body.data[0]).toMatchObject({ id: conversationId, messageCount: 4 })
  })
})

describe('the mode', () => {
  async function modeOf(client: Client, body: { conversationId?: string; mode?: string }) {
    const asking = client.expect(200, 'sendMessage', { body: { message: 'Hi', ...body } })
    const turn = await engine.next()
    turn.end()
    const { message } = (await asking).body
    expect(message.mode).toBe(turn.turn.mode.id)
    return message.mode
  }

  test('of the message goes before that of the conversation, the preference, the default', async () => {
    const alice = await held.createUser()
    expect(await modeOf(alice, {})).toBe('balanced')

    const preferences = { defaultMode: 'creative' }
    await alice.expect(200, 'replaceProfile', { body: { displayName: 'Ada', preferences } })
    expect(await modeOf(alice, {})).toBe('creative')

    const made = await alice.expect(201, 'createConversation', { body: { mode: 'concise' } })
    const conversationId = made.body.id
    expect(await modeOf(alice, { conversationId })).toBe('concise')
    expect(await modeOf(alice, { conversationId, mode: 'balanced' })).toBe('balanced')
    expect(await modeOf(alice, { conversationId })).toBe('concise')
  })

  test('of the first message becomes the mode of its conversation', async () => {
    const alice = await server.createUser()

    const { body } = await alice.expect(200, 'sendMessage', {
      body: { message: 'Hi', mode: 'concise' },
    })

    expect((await conversationOf(alice, body.conversationId)).mode).toBe('concise')
  })

  test('that there is not is refused at /mode, before anything is kept', async () => {
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
  test('of the reply is that of the message, and the report is the sum of them', async () => {
    const alice = await server.createUser()
    const usages: Usage[] = []

    for (const message of ['Hello', 'Tell me a joke', '안녕하세요']) {
      const { body } = await alice.expect(200, 'sendMessage', { body: { message } })
      expect(body.usage).toEqual(body.message.usage)
      expect(body.usage.totalTokens).toBe(body.usage.inputTokens! + body.usage.outputTokens!)
      const kept = await conversationOf(alice, body.conversationId)
      expect(kept.messages[1]!.usage).toEqual(body.usage)
      usages.push(body.usage)
    }
    const sum = (key: 'inputTokens' | 'outputTokens' | 'totalTokens') =>
      usages.reduce((total, usage) => total + usage[key]!, 0)

    expect(await totalsOf(alice, server)).toEqual({
      requests: 3,
      messages: 3,
      inputTokens: sum('inputTokens'),
      outputTokens: sum('outputTokens'),
      totalTokens: sum('totalTokens'),
    })
  })

  test('that the engine did not tell is left out, never 0', async () => {
    const alice = await held.createUser()
    const asking = alice.expect(200, 'sendMessage', { body: { message: 'Hi' } })
    const turn = await engine.next()
    turn.say('Hello')
    turn.end({ totalTokens: 7, source: 'upstream' })

    const { body } = await asking

    expect(body.usage).toEqual({ totalTokens: 7, source: 'upstream' })
    expect(body.message.usage).toEqual(body.usage)
  })
})

describe('one generation for each conversation', () => {
  test('a second is refused with the id of the first, leaves nothing, and may come after it', async () => {
    const alice = await held.createUser()
    const { conversationId } = (await answered(alice, { message: 'one' })).reply
    const opening = openStream(alice, { message: 'two', conversationId })
    const turn = await engine.next()
    turn.say('slowly')
    const stream = await opening
    const start = (await stream.next())!.event
    if (start.type !== 'message.start') throw new Error(start.type)
    for (const operation of ['sendMessage', 'streamMessage'] as const) {
      const refusal = await alice.refused('conversation-busy', operation, {
        body: { message: 'three', conversationId },
      })
      expect(refusal.body.activeGenerationId).toBe(start.generationId)
      expect(refusal.headers['retry-after']).toBe('1')
    }
    expect((await conversationOf(alice, conversationId)).messageCount).toBe(4)

    turn.end()
    await stream.rest()
    const { reply } = await answered(alice, { message: 'three', conversationId })
    expect(reply.message.status).toBe('complete')

    const { messages } = await conversationOf(alice, conversationId)
    const said = messages.filter(({ role }) => role === 'user').map(({ content }) => content)
    expect(said).toEqual(['one', 'two', 'three'])
    expect((await totalsOf(alice, held)).requests).toBe(3)
  })

  test('of twenty messages at once exactly one is answered', async () => {
    const alice = await held.createUser()
    const { conversationId } = (await answered(alice, { message: 'first' })).reply
    const before = engine.turns.length
    const calls = Array.from({ length: 20 }, (_, i) =>
      alice.call('sendMessage', { body: { message: `message ${i}`, conversationId } }),
    )
    // None ends before all others are refused: the engine is held until then.
    const winner = engine.next()
    const refused: number[] = []
    const all = calls.map(async (call) => {
      const { status } = await call
      refused.push(status)
      if (refused.length === 19) (await winner).end()
      return status
    })

    const statuses = await Promise.all(all)

    expect(statuses.filter((status) => status === 200)).toHaveLength(1)
    expect(statuses.filter((status) => status === 409)).toHaveLength(19)
    expect(engine.turns.length - before).toBe(1)
    expect((await conversationOf(alice, conversationId)).messageCount).toBe(4)
  })

  test('keeps no other conversation from answering', async () => {
    const alice = await held.createUser()
    const first = alice.expect(200, 'sendMessage', { body: { message: 'one' } })
    const turn = await engine.next()
    await answered(alice, { message: 'two' })
    turn.end()
    await first
  })
})

describe('POST /chat/stream', () => {
  test('streams the very text that is kept, and ends with exactly one terminal event', async () => {
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
