import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'
import { openStream, textOf } from '../support/stream.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())

describe('POST /chat', () => {
  test('answers with a message that is kept, in a conversation made for it', async () => {
    const alice = await server.newUser()
    const { body } = await alice.expect(200, 'sendMessage', {
      body: { message: 'Hello! My name is Ada.' },
    })
    expect(body.message).toMatchObject({ role: 'assistant', status: 'complete', mode: 'balanced' })
    expect(body.message.content).toContain('Ada')
    const { conversationId } = body
    const kept = await alice.expect(200, 'getConversation', { path: { conversationId } })
    expect(kept.body.messages).toEqual([body.userMessage, body.message])
    expect(kept.body.title).toBe('Hello! My name is Ada.')
  })
})

describe('POST /chat/stream', () => {
  test('streams the very text that is kept, and ends with exactly one terminal event', async () => {
    const alice = await server.newUser()
    const stream = await openStream(alice, { message: 'Tell me a joke' })
    expect(stream.status).toBe(200)
    const events = await stream.rest()
    expect(events.at(0)?.name).toBe('message.start')
    expect(events.map(({ id }) => Number(id.split(':')[1]))).toEqual(events.map((_, i) => i + 1))
    const end = events.at(-1)!.event
    if (end.type !== 'message.end') throw new Error(`ended with ${end.type}`)
    expect(textOf(events)).toBe(end.message.content)
  })
})
