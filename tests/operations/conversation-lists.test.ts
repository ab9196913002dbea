import { describe, expect, test } from 'vitest'
import type { Conversation } from '../../generated/api.ts'
import type { ApiRequest } from '../support/client.ts'
import type { Client } from '../support/client.ts'
import { send } from '../support/wire/wire.ts'
import { at, create, server, testStore } from './conversations.given.ts'

/** All pages of a list, one after another. */
async function walk(client: Client, query: ApiRequest<'listConversations'>['query'] = {}) {
  const pages: Conversation[][] = []
  let cursor: string | undefined
  do {
    const asked = { ...query, ...(cursor !== undefined && { cursor }) }
    const { data, nextCursor } = (await client.expect(200, 'listConversations', { query: asked }))
      .body
    pages.push(data)
    cursor = nextCursor
  } while (cursor !== undefined)
  return pages
}

describe('GET /conversations', () => {
  test('lists the latest activity first: a message counts, reading does not', async () => {
    const alice = await server.createUser()
    const made: Conversation[] = []
    for (const title of ['first', 'second', 'third']) {
      made.push(await create(alice, { title }))
      await server.clock.advance(1_000)
    }
    const [first, second] = made as [Conversation, Conversation]
    const body = { message: 'Hello!', conversationId: first.id }
    await alice.expect(200, 'sendMessage', { body })
    await server.clock.advance(1_000)
    await alice.expect(200, 'getConversation', at(second))

    const titles = (await walk(alice)).flat().map(({ title }) => title)

    expect(titles).toEqual(['first', 'third', 'second'])
  })

  test('walks over 45 of one moment, each exactly once', async () => {
    const alice = await server.createUser()
    const made = await Promise.all(Array.from({ length: 45 }, () => create(alice)))
    expect(new Set(made.map(({ updatedAt }) => updatedAt)).size).toBe(1)

    for (const limit of [1, 7, 20, 44, 45, 100]) {
      const pages = await walk(alice, { limit })
      const ids = pages.flat().map(({ id }) => id)
      expect(ids).toHaveLength(45)
      expect(new Set(ids)).toEqual(new Set(made.map(({ id }) => id)))
      expect(pages.slice(0, -1).every((page) => page.length === limit)).toBe(true)
    }
  })

  test('holds 20 on a page if nobody says otherwise', async () => {
    const alice = await server.createUser()

    await Promise.all(Array.from({ length: 21 }, () => create(alice)))

    expect((await walk(alice)).map((page) => page.length)).toEqual([20, 1])
  })

  test('goes on where it was, whatever was made or deleted in the meantime', async () => {
    const alice = await server.createUser()
    const old = await Promise.all(Array.from({ length: 6 }, () => create(alice)))
    const first = (await alice.expect(200, 'listConversations', { query: { limit: 3 } })).body
    await server.clock.advance(1_000)
    await create(alice)
    await alice.expect(204, 'deleteConversation', at(first.data[2]!))
    const query = { limit: 3, cursor: first.nextCursor! }
    const rest = (await alice.expect(200, 'listConversations', { query })).body
    expect(rest.nextCursor).toBeUndefined()

    const seen = [...first.data, ...rest.data].map(({ id }) => id)
    expect(new Set(seen)).toEqual(new Set(old.map(({ id }) => id)))
  })

  test('finds titles that contain a text in any case, taken as it is', async () => {
    const alice = await server.createUser()
    const titles = [
      'Holiday plans',
      'my HOLIDAY',
      '100% sure',
      'snake_case',
      'back\\slash',
      'ÄRGER',
    ]
    for (const title of titles) await create(alice, { title })

    const found = async (q: string) =>
      (await walk(alice, { q }))
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

  test('looks at 5,000 titles for a page: what is behind them is found by following the cursor', async () => {
    const alice = await server.createUser()
    const { id } = (await alice.expect(200, 'getProfile')).body
    const places = [1, 2, 3, 4_999, 5_000, 5_001, 9_999, 10_000, 11_000]
    // Three at a time have the same time.
    await testStore.database.prisma.$executeRaw`
      INSERT INTO conversations (id, owner_id, title, mode, created_at, updated_at)
      SELECT ('00000000-0000-4000-8000-' || lpad((20000 - i)::text, 12, '0'))::uuid, ${id}::uuid,
        (CASE WHEN i = ANY(${places}::int[]) THEN 'Oak ' ELSE 'Fir ' END) || i, 'balanced',
        now() - interval '1 second' * (i / 3), now() - interval '1 second' * (i / 3)
      FROM generate_series(1, 11000) i`

    const pages = await walk(alice, { q: 'OAK', limit: 2 })
    const titles = pages.map((page) => page.map(({ title }) => title))

    expect(titles.flat()).toEqual(places.map((place) => `Oak ${String(place)}`))
    expect(Math.max(...pages.map((page) => page.length))).toBe(2)
    expect(await walk(alice, { q: '없음' })).toEqual([[], [], []])
  })

  test('tells archived ones from the others, and shows both if it is not asked', async () => {
    const alice = await server.createUser()
    const [kept, away] = [await create(alice), await create(alice)]
    await alice.expect(200, 'changeConversation', { ...at(away), body: { archived: true } })

    const found = async (query: { archived?: boolean }) =>
      (await walk(alice, query)).flat().map(({ id }) => id)

    expect(await found({ archived: true })).toEqual([away.id])
    expect(await found({ archived: false })).toEqual([kept.id])
    expect(await found({})).toHaveLength(2)
  })

  test('shows nothing of anybody else', async () => {
    const [alice, bob] = await Promise.all([server.createUser(), server.createUser()])

    await create(alice, { title: 'secret' })

    expect(await walk(bob)).toEqual([[]])
    expect(await walk(bob, { q: 'secret' })).toEqual([[]])
  })

  test('does not continue with other filters, nor the list of another caller', async () => {
    const [alice, bob] = await Promise.all([server.createUser(), server.createUser()])
    await Promise.all([create(alice, { title: 'one' }), create(alice, { title: 'one' })])
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
    'refuses %s, which is no cursor',
    async (cursor) => {
      const alice = await server.createUser()
      const request = { query: { cursor } }

      const { body } = await alice.refused('invalid-request', 'listConversations', request)

      expect(body.errors).toMatchObject([{ in: 'query', pointer: 'cursor' }])
    },
  )

  test('refuses a cursor that was changed by a single character', async () => {
    const alice = await server.createUser()
    await Promise.all([create(alice), create(alice)])
    const query = { limit: 1 }
    const { nextCursor = '' } = (await alice.expect(200, 'listConversations', { query })).body
    for (const place of [0, 20, 30, nextCursor.length - 1]) {
      const other = nextCursor[place] === 'A' ? 'B' : 'A'
      const cursor = nextCursor.slice(0, place) + other + nextCursor.slice(place + 1)
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
    const answer = await send(address, { headers: alice.credentials })
    expect(answer.status).toBe(400)

    const [name] = query.split('=')
    expect(answer.problem().errors?.[0]).toMatchObject({ in: 'query', pointer: name })
  })

  test.each(['limit=1', 'limit=100', 'q=a+b', "q=it's:/?@!$()*,;=", 'q=%2B%26%23'])(
    'takes ?%s',
    async (query) => {
      const alice = await server.createUser()
      const address = `${alice.urlOf('listConversations')}?${query}`

      expect((await send(address, { headers: alice.credentials })).status).toBe(200)
    },
  )
})
