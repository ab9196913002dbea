import { describe, expect, test } from 'vitest'
import type { ApiRequest } from '../support/client.ts'
import { createManualEngine, openManualStream } from '../support/upstream/manual-engine.ts'
import { startServer } from '../support/server.ts'
import { send } from '../support/wire/wire.ts'
import { createConversation, pathOf, server, testStore } from './conversations.given.ts'

describe('POST /conversations', () => {
  test('creates an empty conversation and returns its Location', async () => {
    const alice = await server.createUser()

    const created = await alice.expect(201, 'createConversation', { body: {} })

    expect(created.body).toMatchObject({
      mode: 'balanced',
      archived: false,
      pinned: false,
      messageCount: 0,
    })
    expect(created.body.createdAt).toBe(created.body.updatedAt)
    expect(created.headers['location']).toBe(`/api/v1/conversations/${created.body.id}`)

    const response = await fetch(server.url + created.headers['location']!, {
      headers: alice.credentials,
    })
    expect(await response.json()).toEqual({ ...created.body, messages: [] })
    expect(response.headers.get('etag')).toBe(created.headers['etag'])
  })

  test('uses the default mode of the profile unless the request has one', async () => {
    const alice = await server.createUser()
    const body = { displayName: 'Ada', preferences: { defaultMode: 'concise' } }

    await alice.expect(200, 'replaceProfile', { body })

    expect((await createConversation(alice)).mode).toBe('concise')
    expect((await createConversation(alice, { mode: 'creative' })).mode).toBe('creative')
  })

  test('trims the title and keeps its other characters', async () => {
    const alice = await server.createUser()
    const title = 'Ça va? 안녕 👩‍👩‍👧 <b>&\'"\\%_; DROP TABLE'

    expect((await createConversation(alice, { title: `  ${title}\u3000` })).title).toBe(title)
  })

  test.each([
    ['/title', { title: '' }],
    ['/title', { title: ' \n\t' }],
    ['/title', { title: 'x'.repeat(201) }],
    ['/title', { title: 7 }],
    ['/mode', { mode: 'nonsense' }],
    ['/mode', { mode: 'BALANCED' }],
  ])('refuses and points at %s of %j', async (pointer, body) => {
    const alice = await server.createUser()
    const request = { body: body as never }

    const { body: problem } = await alice.refused('invalid-request', 'createConversation', request)

    expect(problem.errors?.[0]).toMatchObject({ in: 'body', pointer })
  })
})

describe('GET /conversations/{conversationId}', () => {
  test('returns texts as they were written, with byte order marks at their ends', async () => {
    const [alice, message] = [await server.createUser(), '\ufeff\ufeffHello!\ufeff']

    const sent = await alice.expect(200, 'sendMessage', { body: { message } })

    expect(sent.body.userMessage.content).toBe(message)

    const path = pathOf({ id: sent.body.conversationId })
    const { title, messages } = (await alice.expect(200, 'getConversation', path)).body
    expect(messages[0]!.content).toBe(message)
    // A title is a trimmed line.
    expect(title).toBe('Hello!')

    const listed = (await alice.expect(200, 'listMessages', path)).body.data
    expect(listed.map(({ content }) => content)).toContain(message)

    const body = { messageId: messages[1]!.id, rating: 'up' as const, comment: message }
    await alice.expect(200, 'giveFeedback', { body })
    const [feedback] = (await alice.expect(200, 'listFeedback')).body.data
    expect(feedback!.comment).toBe(message)

    const address = alice.urlOf('exportConversation', path)
    const { text } = await send(address, { headers: alice.credentials })
    expect(text).toContain(`"content":"${message}"`)
  })

  test('returns the latest 50 messages, and a cursor to all of them from the first', async () => {
    const alice = await server.createUser()
    const { id } = await createConversation(alice)
    const sent: string[] = []
    for (let i = 0; i < 26; i += 1) {
      const body = { message: `Message ${i}`, conversationId: id }
      const reply = (await alice.expect(200, 'sendMessage', { body })).body
      sent.push(reply.userMessage.id, reply.message.id)
      const detail = (await alice.expect(200, 'getConversation', pathOf({ id }))).body
      expect('messagesCursor' in detail).toBe(sent.length > 50)
    }

    const detail = (await alice.expect(200, 'getConversation', pathOf({ id }))).body

    expect(detail.messageCount).toBe(52)
    expect(detail.messages.map((message) => message.id)).toEqual(sent.slice(2))

    const seen: string[] = []
    let cursor = detail.messagesCursor
    while (cursor !== undefined) {
      const request = { ...pathOf({ id }), query: { limit: 30, cursor } }
      const page = (await alice.expect(200, 'listMessages', request)).body
      seen.push(...page.data.map((message) => message.id))
      cursor = page.nextCursor
    }
    expect(seen).toEqual(sent)
  })

  test('returns 304 without a body for its current ETag', async () => {
    const alice = await server.createUser()
    const conversation = await createConversation(alice)

    const { headers } = await alice.expect(200, 'getConversation', pathOf(conversation))
    const tag = headers['etag']!

    expect(tag).toMatch(/^"[\x21\x23-\x7e]+"$/)
    expect(headers['cache-control']).toBe('private, no-cache, no-transform')

    const ifNoneMatch = (value: string) =>
      send(alice.urlOf('getConversation', pathOf(conversation)), {
        headers: { ...alice.credentials, 'If-None-Match': value },
      })
    for (const value of [tag, `W/${tag}`, '*', `"other", ${tag}`, `"a,b",${tag}`]) {
      const response = await ifNoneMatch(value)
      expect([value, response.status, response.text]).toEqual([value, 304, ''])
      expect(response.headers).toMatchObject({
        etag: tag,
        'cache-control': 'private, no-cache, no-transform',
      })
      expect(response.headers).not.toHaveProperty('content-encoding')
      expect(response.headers).toHaveProperty('ratelimit')
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
  test('lists the oldest first and refuses a cursor of another conversation', async () => {
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
  test('deletes the messages and their feedback, and keeps the usage', async () => {
    const alice = await server.createUser()
    const reply = (await alice.expect(200, 'sendMessage', { body: { message: 'Hello!' } })).body
    const { conversationId } = reply
    const feedback = { messageId: reply.message.id, rating: 'up' } as const
    await alice.expect(200, 'giveFeedback', { body: feedback })
    const used = (await alice.expect(200, 'getUsage', untilNow())).body.totals
    expect(used.messages).toBe(1)

    await alice.expect(204, 'deleteConversation', { path: { conversationId } })

    for (const operationId of ['getConversation', 'listMessages', 'deleteConversation'] as const) {
      await alice.refused('not-found', operationId, { path: { conversationId } })
    }
    const change = { path: { conversationId }, body: { pinned: true } }
    await alice.refused('not-found', 'changeConversation', change)
    const message = { body: { message: 'Still there?', conversationId } }
    await alice.refused('not-found', 'sendMessage', message)
    await alice.refused('not-found', 'giveFeedback', { body: feedback })
    expect((await alice.expect(200, 'listFeedback')).body.data).toEqual([])
    expect(await testStore.database.prisma.message.count({ where: { conversationId } })).toBe(0)
    expect((await alice.expect(200, 'getUsage', untilNow())).body.totals).toEqual(used)
  })

  test('cancels an answer in progress, also by the id in capitals', async () => {
    const engine = createManualEngine()
    const streaming = await startServer({ replacements: { deps: { engine } } })
    const bob = await streaming.createUser()
    const { turn, stream, start } = await openManualStream(engine, bob)
    const path = { conversationId: start.conversationId.toUpperCase() }

    await bob.expect(204, 'deleteConversation', { path })

    expect(turn.signal.aborted).toBe(true)
    expect((await stream.rest()).map(({ name }) => name)).toEqual(['message.cancelled'])

    await streaming.close()
  })

  test('succeeds for exactly one of twenty concurrent calls', async () => {
    const alice = await server.createUser()
    const created = await createConversation(alice)

    const responses = await Promise.all(
      Array.from({ length: 20 }, () => alice.call('deleteConversation', pathOf(created))),
    )

    expect(responses.filter(({ status }) => status === 204)).toHaveLength(1)
    expect(responses.filter(({ status }) => status === 404)).toHaveLength(19)
  })
})

/** Returns a report that includes the present: `to` is excluded and the clock does not advance by itself. */
function untilNow(): ApiRequest<'getUsage'> {
  return { query: { to: new Date(server.clock.now().getTime() + 1).toISOString() } }
}
