import { describe, expect, test } from 'vitest'
import type { ApiRequest } from '../support/client.ts'
import { createManualEngine, openManualStream } from '../support/upstream/manual-engine.ts'
import { startServer } from '../support/server.ts'
import { send } from '../support/wire/wire.ts'
import { at, create, server, testStore } from './conversations.given.ts'

describe('POST /conversations', () => {
  test('makes an empty conversation, and says where it is', async () => {
    const alice = await server.createUser()
    const made = await alice.expect(201, 'createConversation', { body: {} })
    expect(made.body).toMatchObject({
      mode: 'balanced',
      archived: false,
      pinned: false,
      messageCount: 0,
    })
    expect(made.body.createdAt).toBe(made.body.updatedAt)
    expect(made.headers['location']).toBe(`/api/v1/conversations/${made.body.id}`)

    const response = await fetch(server.url + made.headers['location']!, {
      headers: alice.credentials,
    })
    expect(await response.json()).toEqual({ ...made.body, messages: [] })
    expect(response.headers.get('etag')).toBe(made.headers['etag'])
  })

  test('takes the default mode of the profile, unless one is sent', async () => {
    const alice = await server.createUser()
    const body = { displayName: 'Ada', preferences: { defaultMode: 'concise' } }

    await alice.expect(200, 'replaceProfile', { body })

    expect((await create(alice)).mode).toBe('concise')
    expect((await create(alice, { mode: 'creative' })).mode).toBe('creative')
  })

  test('trims the title and keeps every character of it', async () => {
    const alice = await server.createUser()
    const title = 'Ça va? 안녕 👩‍👩‍👧 <b>&\'"\\%_; DROP TABLE'

    expect((await create(alice, { title: `  ${title}\u3000` })).title).toBe(title)
  })

  test.each([
    ['/title', { title: '' }],
    ['/title', { title: ' \n\t' }],
    ['/title', { title: 'x'.repeat(201) }],
    ['/title', { title: 7 }],
    ['/mode', { mode: 'nonsense' }],
    ['/mode', { mode: 'BALANCED' }],
  ])('points at %s of %j', async (pointer, body) => {
    const alice = await server.createUser()
    const request = { body: body as never }

    const { body: problem } = await alice.refused('invalid-request', 'createConversation', request)

    expect(problem.errors?.[0]).toMatchObject({ in: 'body', pointer })
  })
})

describe('GET /conversations/{conversationId}', () => {
  test('gives every text as it was written, whatever its first character', async () => {
    const [alice, message] = [await server.createUser(), '\ufeff\ufeffHello!\ufeff']
    const sent = await alice.expect(200, 'sendMessage', { body: { message } })
    expect(sent.body.userMessage.content).toBe(message)

    const at = { path: { conversationId: sent.body.conversationId } }
    const { title, messages } = (await alice.expect(200, 'getConversation', at)).body
    expect(messages[0]!.content).toBe(message)
    // A title is a line: what is around it is cut.
    expect(title).toBe('Hello!')

    const listed = (await alice.expect(200, 'listMessages', at)).body.data
    expect(listed.map(({ content }) => content)).toContain(message)

    const body = { messageId: messages[1]!.id, rating: 'up' as const, comment: message }
    await alice.expect(200, 'giveFeedback', { body })
    const [feedback] = (await alice.expect(200, 'listFeedback')).body.data
    expect(feedback!.comment).toBe(message)

    const address = alice.urlOf('exportConversation', at)
    const { text } = await send(address, { headers: alice.credentials })
    expect(text).toContain(`"content":"${message}"`)
  })

  test('shows the latest 50 messages, and leads to all of them from the start', async () => {
    const alice = await server.createUser()
    const { id } = await create(alice)
    const said: string[] = []
    for (let i = 0; i < 26; i += 1) {
      const body = { message: `Message ${i}`, conversationId: id }
      const reply = (await alice.expect(200, 'sendMessage', { body })).body
      said.push(reply.userMessage.id, reply.message.id)
      const detail = (await alice.expect(200, 'getConversation', at({ id }))).body
      expect('messagesCursor' in detail).toBe(said.length > 50)
    }
    const detail = (await alice.expect(200, 'getConversation', at({ id }))).body
    expect(detail.messageCount).toBe(52)
    expect(detail.messages.map((message) => message.id)).toEqual(said.slice(2))

    const seen: string[] = []
    let cursor = detail.messagesCursor
    while (cursor !== undefined) {
      const request = { ...at({ id }), query: { limit: 30, cursor } }
      const page = (await alice.expect(200, 'listMessages', request)).body
      seen.push(...page.data.map((message) => message.id))
      cursor = page.nextCursor
    }
    expect(seen).toEqual(said)
  })

  test('answers 304 without a body to who has it already, until it changes', async () => {
    const alice = await server.createUser()
    const conversation = await create(alice)
    const { headers } = await alice.expect(200, 'getConversation', at(conversation))
    const tag = headers['etag']!
    expect(tag).toMatch(/^"[\x21\x23-\x7e]+"$/)
    expect(headers['cache-control']).toBe('private, no-cache, no-transform')

    const ifNoneMatch = (value: string) =>
      send(alice.urlOf('getConversation', at(conversation)), {
        headers: { ...alice.credentials, 'If-None-Match': value },
      })
    for (const value of [tag, `W/${tag}`, '*', `"other", ${tag}`, `"a,b",${tag}`]) {
      const answer = await ifNoneMatch(value)
      expect([value, answer.status, answer.text]).toEqual([value, 304, ''])
      expect(answer.headers).toMatchObject({
        etag: tag,
        'cache-control': 'private, no-cache, no-transform',
      })
      expect(answer.headers).not.toHaveProperty('content-encoding')
      expect(answer.headers).toHaveProperty('ratelimit')
    }
    for (const value of ['"other"', tag.replaceAll('"', ''), tag.replace('"', '"0')]) {
      expect((await ifNoneMatch(value)).status).toBe(200)
    }

    const body = { message: 'Hello!', conversationId: conversation.id }
    await alice.expect(200, 'sendMessage', { body })
    expect((await ifNoneMatch(tag)).status).toBe(200)
  })
})

describe('GET /conversations/{conversationId}/messages', () => {
  test('lists the oldest first, bound to its conversation', async () => {
    const alice = await server.createUser()
    const first = await alice.expect(200, 'sendMessage', { body: { message: 'One' } })
    const other = await alice.expect(200, 'sendMessage', { body: { message: 'Two' } })
    const { conversationId } = first.body
    const page = await alice.expect(200, 'listMessages', {
      path: { conversationId },
      query: { limit: 1 },
    })
    expect(page.body.data).toEqual([first.body.userMessage])

    const query = { cursor: page.body.nextCursor! }
    const rest = await alice.expect(200, 'listMessages', { path: { conversationId }, query })
    expect(rest.body).toEqual({ data: [first.body.message] })

    const path = { conversationId: other.body.conversationId }
    await alice.refused('cursor-mismatch', 'listMessages', { path, query })
  })
})

describe('DELETE /conversations/{conversationId}', () => {
  test('removes it with its messages and their feedback; the usage stays', async () => {
    const alice = await server.createUser()
    const reply = (await alice.expect(200, 'sendMessage', { body: { message: 'Hello!' } })).body
    const { conversationId } = reply
    const feedback = { messageId: reply.message.id, rating: 'up' } as const
    await alice.expect(200, 'giveFeedback', { body: feedback })
    const used = (await alice.expect(200, 'getUsage', later())).body.totals
    expect(used.messages).toBe(1)

    await alice.expect(204, 'deleteConversation', { path: { conversationId } })
    for (const operationId of ['getConversation', 'listMessages', 'deleteConversation'] as const) {
      await alice.refused('not-found', operationId, { path: { conversationId } })
    }
    const change = { path: { conversationId }, body: { pinned: true } }
    await alice.refused('not-found', 'changeConversation', change)
    const say = { body: { message: 'Still there?', conversationId } }
    await alice.refused('not-found', 'sendMessage', say)
    await alice.refused('not-found', 'giveFeedback', { body: feedback })
    expect((await alice.expect(200, 'listFeedback')).body.data).toEqual([])
    expect(await testStore.database.prisma.message.count({ where: { conversationId } })).toBe(0)
    expect((await alice.expect(200, 'getUsage', later())).body.totals).toEqual(used)
  })

  test('stops an answer that is still being made, however its id is written', async () => {
    const engine = createManualEngine()
    const talkative = await startServer({ replacements: { deps: { engine } } })
    const bob = await talkative.createUser()
    const { turn, stream, start } = await openManualStream(engine, bob)
    const path = { conversationId: start.conversationId.toUpperCase() }
    await bob.expect(204, 'deleteConversation', { path })
    expect(turn.signal.aborted).toBe(true)
    expect((await stream.rest()).map(({ name }) => name)).toEqual(['message.cancelled'])

    await talkative.close()
  })

  test('twenty at once delete it once', async () => {
    const alice = await server.createUser()
    const made = await create(alice)

    const answers = await Promise.all(
      Array.from({ length: 20 }, () => alice.call('deleteConversation', at(made))),
    )

    expect(answers.filter(({ status }) => status === 204)).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 404)).toHaveLength(19)
  })
})

/** The clock stands still and `to` is excluded, so the present is asked for from a moment on. */
function later(): ApiRequest<'getUsage'> {
  return { query: { to: new Date(server.clock.now().getTime() + 1).toISOString() } }
}
