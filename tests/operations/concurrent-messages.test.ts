import { describe, expect, test } from 'vitest'
import { openStream } from '../support/wire/stream.ts'
import { engine, getConversation, getTotals, manualServer, sendAndAnswer } from './chat.given.ts'

describe('a conversation with an answer in progress', () => {
  test('refuses a second message with the id of the first generation and accepts it afterwards', async () => {
    const alice = await manualServer.createUser()
    const { conversationId } = (await sendAndAnswer(alice, { message: 'one' })).reply
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

    expect((await getConversation(alice, conversationId)).messageCount).toBe(4)

    turn.end()
    await stream.rest()
    const { reply } = await sendAndAnswer(alice, { message: 'three', conversationId })
    expect(reply.message.status).toBe('complete')

    const { messages } = await getConversation(alice, conversationId)
    const sent = messages.filter(({ role }) => role === 'user').map(({ content }) => content)
    expect(sent).toEqual(['one', 'two', 'three'])
    expect((await getTotals(alice, manualServer)).requests).toBe(3)
  })

  test('accepts exactly one of twenty concurrent messages', async () => {
    const alice = await manualServer.createUser()
    const { conversationId } = (await sendAndAnswer(alice, { message: 'first' })).reply
    const before = engine.turns.length
    const calls = Array.from({ length: 20 }, (_, i) =>
      alice.call('sendMessage', { body: { message: `message ${i}`, conversationId } }),
    )
    // The engine answers after the 19 others were refused.
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
    expect((await getConversation(alice, conversationId)).messageCount).toBe(4)
  })

  test('does not block another conversation', async () => {
    const alice = await manualServer.createUser()
    const first = alice.expect(200, 'sendMessage', { body: { message: 'one' } })
    const turn = await engine.next()

    await sendAndAnswer(alice, { message: 'two' })

    turn.end()
    await first
  })
})
