import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Message } from '../../generated/api.ts'
import type { Client } from '../support/client.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { insertComments, insertLongMessages } from '../support/long-texts.ts'
import { startServer, type TestServer } from '../support/server.ts'

const PAGE_BYTES = 262_144
/** 95,700 bytes: two of them and the short messages beside them fill a page. */
const LONG = '한'.repeat(31_900)
const COUNT = 25

let testStore: TestStore
let server: TestServer
let alice: Client
let conversationId: string
beforeAll(async () => {
  testStore = await openTestStore()
  server = await startServer({ testStore })
  alice = await server.createUser()
  const { id } = (await alice.expect(200, 'getProfile')).body
  conversationId = await insertLongMessages(testStore, id, { count: COUNT, text: LONG })
})
afterAll(async () => {
  await server.close()
  await testStore.close()
})

const bytesIn = (texts: readonly string[]) =>
  texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0)
const contents = (messages: readonly Message[]) => messages.map(({ content }) => content)

describe('a page', () => {
  test('ends at 256 kB of messages, and the pages together hold each message once', async () => {
    const seen: string[] = []
    const sizes: number[] = []
    let cursor: string | undefined

    do {
      const query = { limit: 100, ...(cursor !== undefined && { cursor }) }
      const path = { conversationId }
      const { body } = await alice.expect(200, 'listMessages', { path, query })
      expect(body.data.length).toBeGreaterThan(0)
      expect(bytesIn(contents(body.data))).toBeLessThanOrEqual(PAGE_BYTES)
      seen.push(...body.data.map(({ id }) => id))
      sizes.push(body.data.length)
      cursor = body.nextCursor
    } while (cursor !== undefined)

    expect(new Set(seen).size).toBe(COUNT)
    expect(seen).toHaveLength(COUNT)
    expect(Math.max(...sizes)).toBe(2)
  })

  test('holds the latest messages of a conversation and a cursor to the earlier ones', async () => {
    const path = { conversationId }

    const { body } = await alice.expect(200, 'getConversation', { path })

    expect(body.messages).toHaveLength(2)

    const query = { limit: 1, cursor: body.messagesCursor! }
    const { body: first } = await alice.expect(200, 'listMessages', { path, query })
    expect(first.data[0]!.id).not.toBe(body.messages[0]!.id)
    expect(body.messageCount).toBe(COUNT)
  })

  test('may hold a single text of any length', async () => {
    const { id } = (await alice.expect(200, 'getProfile')).body
    const text = '한'.repeat(65_536)
    const longest = await insertLongMessages(testStore, id, { count: 3, text })
    const path = { conversationId: longest }

    const { body } = await alice.expect(200, 'listMessages', { path, query: { limit: 2 } })

    expect(contents(body.data)).toEqual([text])
    expect((await alice.expect(200, 'getConversation', { path })).body.messages).toHaveLength(1)
  })

  test.each(['listFeedback', 'listAllFeedback'] as const)(
    'ends at 256 kB of comments, and the pages together hold each comment: %s',
    async (operation) => {
      const [bob, admin] = [await server.createUser(), await server.admin()]
      const { id } = (await bob.expect(200, 'getProfile')).body
      const conversation = await insertLongMessages(testStore, id, { count: 120, text: 'a' })
      await insertComments(testStore, id, {
        conversationId: conversation,
        comment: '한'.repeat(2_000),
      })
      const seen = new Set<string>()
      let cursor: string | undefined

      do {
        const query = { limit: 100, ...(cursor !== undefined && { cursor }) }
        const { body } =
          operation === 'listFeedback'
            ? await bob.expect(200, operation, { query })
            : await admin.expect(200, operation, { query })
        const comments = body.data.map(({ comment }) => comment ?? '')
        expect(bytesIn(comments)).toBeLessThanOrEqual(PAGE_BYTES)
        for (const { id } of body.data) seen.add(id)
        cursor = body.nextCursor
      } while (cursor !== undefined)

      expect(seen.size).toBeGreaterThanOrEqual(120)
    },
  )

  test('holds as many short messages as the limit allows', async () => {
    const { id } = (await alice.expect(200, 'getProfile')).body
    const conversation = await insertLongMessages(testStore, id, {
      count: 101,
      text: 'a'.repeat(2_000),
    })
    const path = { conversationId: conversation }

    const { body } = await alice.expect(200, 'listMessages', { path, query: { limit: 100 } })

    expect(body.data).toHaveLength(100)
    expect((await alice.expect(200, 'getConversation', { path })).body.messages).toHaveLength(50)
  })
})
