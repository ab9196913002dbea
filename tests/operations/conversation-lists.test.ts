import { describe, expect, test } from 'vitest'
import type { Conversation } from '../../generated/api.ts'
import type { ApiRequest, Client } from '../support/client.ts'
import { send } from '../support/wire/wire.ts'
import { createConversation, pathOf, server, testStore } from './conversations.given.ts'

/** Returns all pages of the list. */
async function listPages(client: Client, query: ApiRequest<'listConversations'>['query'] = {}) {
  const pages: Conversation[][] = []
  let cursor: string | undefined
  do {
    const pageQuery = { ...query, ...(cursor !== undefined && { cursor }) }
    const { data, nextCursor } = (
      await client.expect(200, 'listConversations', { query: pageQuery })
    ).body
    pages.push(data)
    cursor = nextCursor
  } while (cursor !== undefined)
  return pages
}

describe('GET /conversations', () => {
  test('lists the latest activity first, where a message counts and a read does not', async () => {
    const alice = await server.createUser()
    const created: Conversation[] = []
    for (const title of ['first', 'second', 'third']) {
      created.push(await createConversation(alice, { title }))
      await server.clock.advance(1_000)
    }
    const [first, second] = created as [Conversation, Conversation]
    const body = { message: 'Hello!', conversationId: first.id }
    await alice.expect(200, 'sendMessage', { body })
    await server.clock.advance(1_000)
    await alice.expect(200, 'getConversation', pathOf(second))

    const titles = (await listPages(alice)).flat().map(({ title }) => title)

    expect(titles).toEqual(['first', 'third', 'second'])
  })

  test('pages through 45 conversations with the same time, each exactly once', async () => {
    const alice = await server.createUser()

    const created = await Promise.all(Array.from({ length: 45 }, () => createConversation(alice)))

    expect(new Set(created.map(({ updatedAt }) => updatedAt)).size).toBe(1)

    for (const limit of [1, 7, 20, 44, 45, 100]) {
      const pages = await listPages(alice, { limit })
      const ids = pages.flat().map(({ id }) => id)
      expect(ids).toHaveLength(45)
      expect(new Set(ids)).toEqual(new Set(created.map(({ id }) => id)))
      expect(pages.slice(0, -1).every((page) => page.length === limit)).toBe(true)
    }
  })

  test('returns 20 on a page by default', async () => {
    const alice = await server.createUser()

    await Promise.all(Array.from({ length: 21 }, () => createConversation(alice)))

    expect((await listPages(alice)).map((page) => page.length)).toEqual([20, 1])
  })

  test('continues at the cursor after conversations were created and deleted', async () => {
    const alice = await server.createUser()
    const existing = await Promise.all(Array.from({ length: 6 }, () => createConversation(alice)))
    const first = (await alice.expect(200, 'listConversations', { query: { limit: 3 } })).body
    await server.clock.advance(1_000)
    await createConversation(alice)
    await alice.expect(204, 'deleteConversation', pathOf(first.data[2]!))
    const query = { limit: 3, cursor: first.nextCursor! }

    const rest = (await alice.expect(200, 'listConversations', { query })).body

    expect(rest.nextCursor).toBeUndefined()

    const seen = [...first.data, ...rest.data].map(({ id }) => id)
    expect(new Set(seen)).toEqual(new Set(existing.map(({ id }) => id)))
  })

  test('finds titles that contain a text, in any case and without wildcards', async () => {
    const alice = await server.createUser()
    const titles = [
      'Holiday plans',
      'my HOLIDAY',
      '100% sure',
      'snake_case',
      'back\\slash',
      'ÄRGER',
    ]
    for (const title of titles) await createConversation(alice, { title })

    const found = async (q: string) =>
      (await listPages(alice, { q }))
        .flat()
        .map(({ title }) => title)
        .sort()

    expect(await found('holiday')).toEqual(['Holiday plans', 'my HOLIDAY'])
    expect(await found('my holiday')).toEqual(['my HOLIDAY'])
    expect(await found('%')).toEqual(['100% sure'])
    expect(await found('_')).toEqual(['snake_case'])
    expect(await found('\\')).toEqual(['back\\slash'])
    expect(await found('ärger')).toEqual(['ÄRGER'])
    expect(await found("' OR 1=1 --")).toEqual([])
  })

  test('searches 5,000 titles for a page and continues with the cursor', async () => {
    const alice = await server.createUser()
    const { id } = (await alice.expect(200, 'getProfile')).body
    const positions = [1, 2, 3, 4_999, 5_000, 5_001, 9_999, 10_000, 11_000]
    // Three consecutive ones have the same time.
    await testStore.database.prisma.$executeRaw`
      INSERT INTO conversations (id, owner_id, title, mode, created_at, updated_at)
      SELECT ('00000000-0000-4000-8000-' || lpad((20000 - i)::text, 12, '0'))::uuid, ${id}::uuid,
        (CASE WHEN i = ANY(${positions}::int[]) THEN 'Oak ' ELSE 'Fir ' END) || i, 'balanced',
        now() - interval '1 second' * (i / 3), now() - interval '1 second' * (i / 3)
      FROM generate_series(1, 11000) i`

    const pages = await listPages(alice, { q: 'OAK', limit: 2 })
    const titles = pages.map((page) => page.map(({ title }) => title))

    expect(titles.flat()).toEqual(positions.map((position) => `Oak ${String(position)}`))
    expect(Math.max(...pages.map((page) => page.length))).toBe(2)
    expect(await listPages(alice, { q: '없음' })).toEqual([[], [], []])
  })

  test('lists archived conversations, the others, or both', async () => {
    const alice = await server.createUser()
    const [active, archived] = [await createConversation(alice), await createConversation(alice)]
    await alice.expect(200, 'changeConversation', { ...pathOf(archived), body: { archived: true } })

    const found = async (query: { archived?: boolean }) =>
      (await listPages(alice, query)).flat().map(({ id }) => id)

    expect(await found({ archived: true })).toEqual([archived.id])
    expect(await found({ archived: false })).toEqual([active.id])
    expect(await found({})).toHaveLength(2)
  })

  test('shows no conversation of another user', async () => {
    const [alice, bob] = await Promise.all([server.createUser(), server.createUser()])

    await createConversation(alice, { title: 'secret' })

    expect(await listPages(bob)).toEqual([[]])
    expect(await listPages(bob, { q: 'secret' })).toEqual([[]])
  })

  test('refuses a cursor with other filters, in another list and of another user', async () => {
    const [alice, bob] = await Promise.all([server.createUser(), server.createUser()])
    await Promise.all([
      createConversation(alice, { title: 'one' }),
      createConversation(alice, { title: 'one' }),
    ])
    const query = { q: 'one', limit: 1 }
    const { nextCursor } = (await alice.expect(200, 'listConversations', { query })).body
    const mismatch = (client: Client, filters: object) =>
      client.refused('cursor-mismatch', 'listConversations', {
        query: { ...filters, cursor: nextCursor! },
      })
    await mismatch(alice, {})
    await mismatch(alice, { q: 'two' })
    await mismatch(alice, { q: 'One' })
    await mismatch(alice, { q: 'one', archived: false })
    await mismatch(bob, { q: 'one' })

    await alice.refused('cursor-mismatch', 'listFeedback', { query: { cursor: nextCursor! } })
    const other = { query: { q: 'one', limit: 5, cursor: nextCursor! } }

    expect((await alice.expect(200, 'listConversations', other)).body.data).toHaveLength(1)
  })

  test.each(['x', '====', 'AAAA', 'A'.repeat(512), 'é', '../..'])(
    'refuses %s, which is not a cursor',
    async (cursor) => {
      const alice = await server.createUser()
      const request = { query: { cursor } }

      const { body } = await alice.refused('invalid-request', 'listConversations', request)

      expect(body.errors).toMatchObject([{ in: 'query', pointer: 'cursor' }])
    },
  )

  test('refuses a cursor with one changed character', async () => {
    const alice = await server.createUser()
    await Promise.all([createConversation(alice), createConversation(alice)])
    const query = { limit: 1 }
    const { nextCursor = '' } = (await alice.expect(200, 'listConversations', { query })).body

    for (const position of [0, 20, 30, nextCursor.length - 1]) {
      const other = nextCursor[position] === 'A' ? 'B' : 'A'
      const cursor = nextCursor.slice(0, position) + other + nextCursor.slice(position + 1)
      await alice.refused('invalid-request', 'listConversations', { query: { cursor } })
    }
  })

  test.each([
    'limit=0',
    'limit=101',
    'limit=-1',
    'limit=0x10',
    'limit=1e1',
    'limit=%205',
    'limit=5.0',
    'limit=+5',
    'limit=',
    'limit=5&limit=6',
    'limit=5&limit=5',
    'limit=NaN',
    'limit=9999999999999999999999',
    'archived=yes',
    'archived=1',
    'archived=',
    'archived=true&archived=false',
    'q=',
    'q=a&q=b',
    'cursor=',
    `q=${'x'.repeat(201)}`,
  ])('refuses ?%s', async (query) => {
    const alice = await server.createUser()
    const address = `${alice.urlOf('listConversations')}?${query}`

    const response = await send(address, { headers: alice.credentials })

    expect(response.status).toBe(400)

    const [name] = query.split('=')
    expect(response.problem().errors?.[0]).toMatchObject({ in: 'query', pointer: name })
  })

  test.each(['limit=1', 'limit=100', 'q=a+b', "q=it's:/?@!$()*,;=", 'q=%2B%26%23'])(
    'accepts ?%s',
    async (query) => {
      const alice = await server.createUser()
      const address = `${alice.urlOf('listConversations')}?${query}`

      expect((await send(address, { headers: alice.credentials })).status).toBe(200)
    },
  )
})
