import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())

async function chat(client: Client) {
  return (await client.expect(200, 'sendMessage', { body: { message: 'Hello!' } })).body
}

describe('POST /feedback', () => {
  test('stores the feedback on an answer', async () => {
    const alice = await server.createUser()
    const messageId = (await chat(alice)).message.id
    const rating = 'up' as const
    const body = { messageId, rating, tags: ['helpful', 'kind'], comment: 'Nice 👋' }

    const given = (await alice.expect(200, 'giveFeedback', { body })).body

    expect(given).toMatchObject(body)
    expect((await alice.expect(200, 'listFeedback')).body).toEqual({ data: [given] })
  })

  test('replaces earlier feedback on the message completely and keeps its id', async () => {
    const alice = await server.createUser()
    const messageId = (await chat(alice)).message.id
    const first = await alice.expect(200, 'giveFeedback', {
      body: { messageId, rating: 'up', tags: ['helpful'], comment: 'Good' },
    })
    await server.clock.advance(1_000)

    const second = await alice.expect(200, 'giveFeedback', { body: { messageId, rating: 'down' } })
    const { id, createdAt, updatedAt } = first.body

    expect(second.body).toEqual({
      id,
      messageId,
      rating: 'down',
      createdAt,
      updatedAt: new Date(Date.parse(updatedAt) + 1_000).toISOString(),
    })
    expect((await alice.expect(200, 'listFeedback')).body.data).toEqual([second.body])
  })

  test('stores one feedback for twenty concurrent calls on one message', async () => {
    const alice = await server.createUser()
    const messageId = (await chat(alice)).message.id
    const body = { messageId, rating: 'up' } as const

    const given = await Promise.all(
      Array.from({ length: 20 }, () => alice.expect(200, 'giveFeedback', { body })),
    )

    expect(new Set(given.map((one) => one.body.id)).size).toBe(1)
    expect((await alice.expect(200, 'listFeedback')).body.data).toHaveLength(1)
  })

  test('returns 404 for all messages but answers to the caller', async () => {
    const [alice, bob] = await Promise.all([server.createUser(), server.createUser()])
    const { userMessage, message } = await chat(alice)
    const rating = 'up' as const
    const refuse = (client: Client, messageId: string) =>
      client.refused('not-found', 'giveFeedback', { body: { messageId, rating } })
    await refuse(alice, userMessage.id)
    await refuse(bob, message.id)

    await refuse(alice, randomUUID())

    expect((await bob.expect(200, 'listFeedback')).body.data).toEqual([])
  })

  test.each([
    ['/rating', { rating: 'sideways' }],
    ['/rating', {}],
    ['/tags/0', { rating: 'up', tags: ['Not Kebab'] }],
    ['/tags', { rating: 'up', tags: [] }],
    ['/tags', { rating: 'up', tags: ['same', 'same'] }],
    ['/comment', { rating: 'up', comment: '' }],
    ['/comment', { rating: 'up', comment: 'x'.repeat(2001) }],
    ['/messageId', { rating: 'up', messageId: 'x' }],
  ])('refuses and points at %s of %j', async (pointer, given) => {
    const alice = await server.createUser()
    const body = { messageId: randomUUID(), ...given } as never

    const { errors } = (await alice.refused('invalid-request', 'giveFeedback', { body })).body

    expect(errors?.[0]).toMatchObject({ in: 'body', pointer })
  })
})

describe('GET /feedback', () => {
  test('pages through feedback with the same time, each exactly once', async () => {
    const alice = await server.createUser()
    const given = new Set<string>()
    for (let i = 0; i < 7; i += 1) {
      const messageId = (await chat(alice)).message.id
      const body = { messageId, rating: 'up' } as const
      given.add((await alice.expect(200, 'giveFeedback', { body })).body.id)
    }
    const seen: string[] = []
    let cursor: string | undefined

    do {
      const query = { limit: 3, ...(cursor !== undefined && { cursor }) }
      const { data, nextCursor } = (await alice.expect(200, 'listFeedback', { query })).body
      seen.push(...data.map(({ id }) => id))
      cursor = nextCursor
    } while (cursor !== undefined)

    expect(seen).toHaveLength(7)
    expect(new Set(seen)).toEqual(given)
  })

  test('refuses a cursor of another user and of another list', async () => {
    const [alice, bob] = await Promise.all([server.createUser(), server.createUser()])
    for (let i = 0; i < 2; i += 1) {
      const messageId = (await chat(alice)).message.id
      await alice.expect(200, 'giveFeedback', { body: { messageId, rating: 'up' } })
    }
    const { nextCursor } = (await alice.expect(200, 'listFeedback', { query: { limit: 1 } })).body
    const query = { cursor: nextCursor! }

    await bob.refused('cursor-mismatch', 'listFeedback', { query })
    await alice.refused('cursor-mismatch', 'listConversations', { query })
  })
})

describe('DELETE /feedback/{feedbackId}', () => {
  test('deletes the feedback; a later one on the message has a new id', async () => {
    const alice = await server.createUser()
    const messageId = (await chat(alice)).message.id
    const body = { messageId, rating: 'up' } as const
    const first = (await alice.expect(200, 'giveFeedback', { body })).body
    const path = { feedbackId: first.id }
    await alice.expect(204, 'deleteFeedback', { path })

    await alice.refused('not-found', 'deleteFeedback', { path })

    expect((await alice.expect(200, 'listFeedback')).body.data).toEqual([])
    expect((await alice.expect(200, 'giveFeedback', { body })).body.id).not.toBe(first.id)
  })
})
