import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Conversation } from '../../generated/api.ts'
import type { Request } from '../support/client.ts'
import type { Client } from '../support/client.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { createManualEngine, openManualStream } from '../support/upstream/manual-engine.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { send } from '../support/wire/wire.ts'

let testStore: TestStore
let server: TestServer
beforeAll(async () => {
  testStore = await openTestStore()
  server = await startServer({ testStore })
})
afterAll(async () => {
  await server.close()
  await testStore.close()
})

async function create(client: Client, body: { title?: string; mode?: string } = {}) {
  return (await client.expect(201, 'createConversation', { body })).body
}

const at = ({ id }: Pick<Conversation, 'id'>) => ({ path: { conversationId: id } })

/** All pages of a list, one after another. */
async function walk(client: Client, query: Request<'listConversations'>['query'] = {}) {
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

describe('POST /conversations', () => {
  test('makes an empty conversation, and says where it is', async () => {
    const alice = await server.newUser()
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
    const alice = await server.newUser()
    const body = { displayName: 'Ada', preferences: { defaultMode: 'concise' } }
    await alice.expect(200, 'replaceProfile', { body })
    expect((await create(alice)).mode).toBe('concise')
    expect((await create(alice, { mode: 'creative' })).mode).toBe('creative')
  })

  test('trims the title and keeps every character of it', async () => {
    const alice = await server.newUser()
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
    const alice = await server.newUser()
    const request = { body: body as never }
    const { body: problem } = await alice.refused('invalid-request', 'createConversation', request)
    expect(problem.errors?.[0]).toMatchObject({ in: 'body', pointer })
  })
})

describe('GET /conversations', () => {
  test('lists the latest activity first: a message counts, reading does not', async () => {
    const alice = await server.newUser()
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
    const alice = await server.newUser()
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
    const alice = await server.newUser()
    await Promise.all(Array.from({ length: 21 }, () => create(alice)))
    expect((await walk(alice)).map((page) => page.length)).toEqual([20, 1])
  })

  test('goes on where it was, whatever was made or deleted in the meantime', async () => {
    const alice = await server.newUser()
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
    const alice = await server.newUser()
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
    const alice = await server.newUser()
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
    const alice = await server.newUser()
    const [kept, away] = [await create(alice), await create(alice)]
    await alice.expect(200, 'changeConversation', { ...at(away), body: { archived: true } })
    const found = async (query: { archived?: boolean }) =>
      (await walk(alice, query)).flat().map(({ id }) => id)
    expect(await found({ archived: true })).toEqual([away.id])
    expect(await found({ archived: false })).toEqual([kept.id])
    expect(await found({})).toHaveLength(2)
  })

  test('shows nothing of anybody else', async () => {
    const [alice, bob] = await Promise.all([server.newUser(), server.newUser()])
    await create(alice, { title: 'secret' })
    expect(await walk(bob)).toEqual([[]])
    expect(await walk(bob, { q: 'secret' })).toEqual([[]])
  })

  test('does not continue with other filters, nor the list of another caller', async () => {
    const [alice, bob] = await Promise.all([server.newUser(), server.newUser()])
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
      const alice = await server.newUser()
      const request = { query: { cursor } }
      const { body } = await alice.refused('invalid-request', 'listConversations', request)
      expect(body.errors).toMatchObject([{ in: 'query', pointer: 'cursor' }])
    },
  )

  test('refuses a cursor that was changed by a single character', async () => {
    const alice = await server.newUser()
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
    const alice = await server.newUser()
    const address = `${alice.urlOf('listConversations')}?${query}`
    const answer = await send(address, { headers: alice.credentials })
    expect(answer.status).toBe(400)
    const [name] = query.split('=')
    expect(answer.problem().errors?.[0]).toMatchObject({ in: 'query', pointer: name })
  })

  test.each(['limit=1', 'limit=100', 'q=a+b', "q=it's:/?@!$()*,;=", 'q=%2B%26%23'])(
    'takes ?%s',
    async (query) => {
      const alice = await server.newUser()
      const address = `${alice.urlOf('listConversations')}?${query}`
      expect((await send(address, { headers: alice.credentials })).status).toBe(200)
    },
  )
})

describe('GET /conversations/{conversationId}', () => {
  test('gives every text as it was written, whatever its first character', async () => {
    const [alice, message] = [await server.newUser(), '\ufeff\ufeffHello!\ufeff']
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
    const alice = await server.newUser()
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
    const alice = await server.newUser()
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
    const alice = await server.newUser()
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

describe('PATCH /conversations/{conversationId}', () => {
  test('changes what is sent and leaves the rest', async () => {
    const alice = await server.newUser()
    const made = await create(alice, { title: 'Before', mode: 'concise' })
    await server.clock.advance(1_000)
    const change = async (body: Request<'changeConversation'>['body']) =>
      (await alice.expect(200, 'changeConversation', { ...at(made), body: body! })).body
    const pinned = await change({ pinned: true })
    const updatedAt = new Date(Date.parse(made.updatedAt) + 1_000).toISOString()
    expect(pinned).toEqual({ ...made, pinned: true, updatedAt })
    const all = { title: 'After', mode: 'creative', archived: true, pinned: false }
    expect(await change(all)).toEqual({ ...made, ...all, updatedAt })
  })

  test.each([{}, { id: randomUUID() }, { messageCount: 0 }, { archived: 'true' }, { title: null }])(
    'refuses %j',
    async (body) => {
      const alice = await server.newUser()
      const made = await create(alice)
      const request = { ...at(made), body: body as never }
      await alice.refused('invalid-request', 'changeConversation', request)
    },
  )

  test('lets exactly one of twenty win that have read the same version', async () => {
    const alice = await server.newUser()
    const made = await create(alice)
    const { headers } = await alice.expect(200, 'getConversation', at(made))
    const ifMatch = { 'If-Match': headers['etag']! }
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        alice.call('changeConversation', {
          ...at(made),
          headers: ifMatch,
          body: { title: `Title ${i}` },
        }),
      ),
    )
    const won = answers.filter(({ status }) => status === 200)
    expect(won).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 412)).toHaveLength(19)
    const { body } = await alice.expect(200, 'getConversation', at(made))
    expect(body.title).toBe((won[0]!.body as Conversation).title)
  })
})

describe('If-Match', () => {
  async function changed() {
    const alice = await server.newUser()
    const made = await alice.expect(201, 'createConversation', { body: {} })
    const now = await alice.expect(200, 'changeConversation', {
      ...at(made.body),
      body: { title: 'Now' },
    })
    const old = made.headers['etag']!
    const current = now.headers['etag']!
    const change = (value: string) =>
      alice.call('changeConversation', {
        ...at(made.body),
        headers: { 'If-Match': value },
        body: { pinned: true },
      })
    return { alice, path: at(made.body), old, current, change }
  }

  test('lets the version pass that it names, alone or among others, and any for *', async () => {
    for (const name of [
      (tag: string) => tag,
      () => '*',
      (tag: string) => `"0", ${tag}`,
      (tag: string) => `${tag} , "999"`,
      (tag: string) => `"a,b", ${tag}`,
    ]) {
      const { current, change } = await changed()
      expect([name(current), (await change(name(current))).status]).toEqual([name(current), 200])
    }
  })

  test('refuses every other version, weak and misspelt ones too, and tells the current one', async () => {
    const { alice, path, old, current, change } = await changed()
    const padded = current.replace('"', '"0')
    for (const value of [old, `W/${current}`, '"nonsense"', '""', padded, '"99999999999"']) {
      const answer = await change(value)
      expect([value, answer.status]).toEqual([value, 412])
      expect(answer.headers['etag']).toBe(current)
      const headers = { 'If-Match': value }
      await alice.refused('precondition-failed', 'deleteConversation', { ...path, headers })
    }
    expect((await alice.expect(200, 'getConversation', path)).body.pinned).toBe(false)
  })

  test.each(['2', '"2', 'W/2', '"2" "3"', '*, "2"', ',', '"a b"', "'2'"])(
    'is refused when it is malformed: %s',
    async (value) => {
      const { alice, path } = await changed()
      const headers = { 'If-Match': value }
      const { body } = await alice.refused('invalid-request', 'deleteConversation', {
        ...path,
        headers,
      })
      expect(body.errors).toMatchObject([{ in: 'header', pointer: 'If-Match' }])
    },
  )

  test('deletes only the version that it names', async () => {
    const { alice, path, old, current } = await changed()
    await alice.refused('precondition-failed', 'deleteConversation', {
      ...path,
      headers: { 'If-Match': old },
    })
    await alice.expect(204, 'deleteConversation', { ...path, headers: { 'If-Match': current } })
  })

  test('says not-found, not precondition-failed, of what does not exist', async () => {
    const alice = await server.newUser()
    const request = { ...at({ id: randomUUID() }), headers: { 'If-Match': '"1"' } }
    await alice.refused('not-found', 'deleteConversation', request)
    await alice.refused('not-found', 'changeConversation', { ...request, body: { pinned: true } })
  })
})

describe('DELETE /conversations/{conversationId}', () => {
  test('removes it with its messages and their feedback; the usage stays', async () => {
    const alice = await server.newUser()
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
    const talkative = await startServer({ instead: { deps: { engine } } })
    const bob = await talkative.newUser()
    const { turn, stream, start } = await openManualStream(engine, bob)
    const path = { conversationId: start.conversationId.toUpperCase() }
    await bob.expect(204, 'deleteConversation', { path })
    expect(turn.signal.aborted).toBe(true)
    expect((await stream.rest()).map(({ name }) => name)).toEqual(['message.cancelled'])
    await talkative.close()
  })

  test('twenty at once delete it once', async () => {
    const alice = await server.newUser()
    const made = await create(alice)
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => alice.call('deleteConversation', at(made))),
    )
    expect(answers.filter(({ status }) => status === 204)).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 404)).toHaveLength(19)
  })
})

/** The clock stands still and `to` is excluded, so the present is asked for from a moment on. */
function later(): Request<'getUsage'> {
  return { query: { to: new Date(server.clock.now().getTime() + 1).toISOString() } }
}
