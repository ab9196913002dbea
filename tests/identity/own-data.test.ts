import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ExportRecord } from '../../generated/api.ts'
import { ResponseCheck } from '../../src/contract/responses/response-check.ts'
import { createDeferred } from '../../src/lib/deferred.ts'
import { DatabaseUnavailable } from '../../src/store/store.ts'
import { type Client, createClient, type Identity } from '../support/client.ts'
import { TestClock } from '../support/clock/clock.ts'
import { contract } from '../support/contract/contract.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { createManualEngine, openManualStream } from '../support/upstream/manual-engine.ts'
import { HOUR_MS, MINUTE_MS } from '../support/clock/jumping-clock.ts'
import { everythingIn } from '../support/contract/operations.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { createUserResources } from '../support/resources.ts'
import { until } from '../support/clock/until.ts'
import { spyOnStore, type SpyStore } from '../support/database/spy-store.ts'
import { send } from '../support/wire/wire.ts'

/** Rows that the server reads at a time. */
const PAGE = 200
const away = () => Promise.reject(new DatabaseUnavailable('The database went away'))

let testStore: TestStore
let watched: SpyStore
let server: TestServer
beforeAll(async () => {
  testStore = await openTestStore()
  watched = spyOnStore(testStore.store)
  const env = { REGISTRATION: 'open' }
  server = await startServer({ testStore, env, instead: { deps: { store: watched.store } } })
})
afterAll(async () => {
  await server.close()
  await testStore.close()
})

const prisma = () => testStore.database.prisma
const idOf = async (client: Client) => (await client.expect(200, 'getProfile')).body.id

async function logIn(at: TestServer, { email, password }: Identity): Promise<Client> {
  const { body } = await at.anybody.expect(200, 'logIn', { body: { email, password } })
  return createClient(at.url, { ...body, email, password })
}

const responses = new ResponseCheck(contract.document)
const checkRecord = (record: unknown) => responses.item('exportAccount', record)

/** The records of a complete answer, each held against the contract. */
function recordsOf(text: string): ExportRecord[] {
  expect(text.endsWith('\n')).toBe(true)
  // Whatever a reader takes for the end of a line.
  for (const end of '\r\v\f\u001c\u001d\u001e\u0085\u2028\u2029') expect(text).not.toContain(end)
  const records = text
    .slice(0, -1)
    .split('\n')
    .map((line) => JSON.parse(line) as ExportRecord)
  expect(records.map(checkRecord).filter((violation) => violation !== undefined)).toEqual([])
  return records
}

async function exported(client: Client, conversationId?: string): Promise<ExportRecord[]> {
  const address =
    conversationId === undefined
      ? client.urlOf('exportAccount')
      : client.urlOf('exportConversation', { path: { conversationId } })
  const { status, headers, text } = await send(address, { headers: client.credentials })
  expect([status, headers['content-type']]).toEqual([200, 'application/x-ndjson'])
  expect(headers).toMatchObject({ 'cache-control': 'no-store' })
  expect(headers['ratelimit']).toMatch(/^"user";r=/)
  return recordsOf(text)
}

type Kind = ExportRecord['type']
type RecordOf<K extends Kind> = Extract<ExportRecord, { type: K }>
const ofKind = <K extends Kind>(records: readonly ExportRecord[], kind: K) =>
  records.filter((record): record is RecordOf<K> => record.type === kind)

async function givenConversations(ownerId: string, count: number): Promise<string[]> {
  const at = server.clock.now()
  const rows = Array.from({ length: count }, (_, i) => ({
    id: randomUUID(),
    ownerId,
    title: `Talk ${String(i)}`,
    mode: 'balanced',
    createdAt: at,
    updatedAt: at,
  }))
  await prisma().conversation.createMany({ data: rows })
  return rows.map(({ id }) => id)
}

async function givenMessages(conversationId: string, count: number, content: string) {
  await prisma().$executeRaw`
    INSERT INTO messages (id, conversation_id, position, role, content, status, created_at)
    SELECT gen_random_uuid(), ${conversationId}::uuid, i, 'user', ${content}::text || i, 'complete',
      ${server.clock.now()}::timestamptz
    FROM generate_series(1, ${count}::int) i`
  const where = { id: conversationId }
  await prisma().conversation.update({ where, data: { messageCount: count } })
}

describe('GET /users/export', () => {
  test('gives every kind of record of one’s own, in the order that the contract says', async () => {
    const [alice, bob] = [await server.newUser(), await server.newUser()]
    await logIn(server, alice.identity)
    const bobs = await createUserResources(bob)
    const first = await createUserResources(alice)
    await createUserResources(alice)
    const records = await exported(alice)

    const short: Partial<Record<Kind, string>> = { 'audit-event': 'a', end: 'E' }
    const order = records.map(({ type }) => short[type] ?? type[0]).join('')
    expect(order).toMatch(/^ps{2}(cm{2}){2}f{2}u{2}a+E$/)
    expect(records.at(-1)).toEqual({ type: 'end', records: records.length - 1 })

    const { body: profile } = await alice.expect(200, 'getProfile')
    expect(ofKind(records, 'profile')).toEqual([{ type: 'profile', profile }])
    const sessions = ofKind(records, 'session').map(({ session }) => session)
    expect(sessions.filter(({ current }) => current).map(({ id }) => id)).toEqual([
      alice.identity.sessionId,
    ])
    const text = JSON.stringify(records)
    for (const [name, id] of Object.entries(first)) {
      expect([name, text.includes(id)]).toEqual([name, true])
    }
    for (const id of [...Object.values(bobs), await idOf(bob)]) expect(text).not.toContain(id)
    const events = ofKind(records, 'audit-event').map(({ auditEvent }) => auditEvent)
    expect(events.map(({ event }) => event)).toEqual([
      'data.exported',
      'session.created',
      'session.created',
    ])
    expect(new Set(events.map(({ actor }) => actor?.id))).toEqual(new Set([profile.id]))
  })

  test('gives everything once, over any number of pages, of whatever there is one moment of', async () => {
    const alice = await server.newUser()
    const accountId = await idOf(alice)
    const ids = await givenConversations(accountId, PAGE + 5)
    const [long, full] = ids as [string, string]
    await givenMessages(long, 2 * PAGE + 50, 'Line ')
    await givenMessages(full, PAGE, 'Line ')
    const at = server.clock.now()
    await prisma().usageRecord.createMany({
      data: ids.map((generationId) => ({ generationId, accountId, at, answered: 1 })),
    })
    const messages = await prisma().message.findMany({ where: { conversation: { id: long } } })
    await prisma().feedback.createMany({
      data: messages.map(({ id: messageId }) => ({
        ...{ id: randomUUID(), accountId, messageId, rating: 'up' as const, tags: [] },
        ...{ createdAt: at, updatedAt: at },
      })),
    })

    const records = await exported(alice)
    const seen = ofKind(records, 'conversation').map(({ conversation }) => conversation.id)
    expect(seen.toSorted()).toEqual(ids.toSorted())
    expect(
      ofKind(records, 'usage')
        .map(({ usage }) => usage.generationId)
        .toSorted(),
    ).toEqual(ids.toSorted())
    expect(
      ofKind(records, 'feedback')
        .map(({ feedback }) => feedback.messageId)
        .toSorted(),
    ).toEqual(messages.map(({ id }) => id).toSorted())
    const start = records.findIndex(
      (one) => one.type === 'conversation' && one.conversation.id === long,
    )
    const lines = records.slice(start + 1, start + 1 + messages.length)
    expect(ofKind(lines, 'message').map(({ message }) => message.content)).toEqual(
      messages.map((_, i) => `Line ${String(i + 1)}`),
    )
    expect(ofKind(records, 'message')).toHaveLength(3 * PAGE + 50)
    expect(records.at(-1)).toEqual({ type: 'end', records: records.length - 1 })
  })

  test('misses nothing that changes while it is read', async () => {
    const alice = await server.newUser()
    const accountId = await idOf(alice)
    const ids = await givenConversations(accountId, PAGE + 5)
    // Every page is read after all of them were touched, in the order of which they are listed.
    const over = watched.instead('messages.list', async (real) => {
      await server.clock.advance(1)
      const where = { ownerId: accountId }
      await prisma().conversation.updateMany({ where, data: { updatedAt: server.clock.now() } })
      return real()
    })
    const records = await exported(alice).finally(over)
    const seen = ofKind(records, 'conversation').map(({ conversation }) => conversation.id)
    expect(seen.toSorted()).toEqual(ids.toSorted())
  })

  test('comes to its end although its owner goes on adding, and holds what was there', async () => {
    const alice = await server.newUser()
    const said = await alice.expect(200, 'sendMessage', { body: { message: 'Hello' } })
    const { conversationId } = said.body
    let left = 20
    const over = watched.instead('messages.list', async (real) => {
      if (left === 0) return real()
      left -= 1
      await server.clock.advance(1)
      await alice.expect(201, 'createConversation', { body: {} })
      await alice.expect(200, 'sendMessage', { body: { message: 'More', conversationId } })
      return real()
    })
    const records = await exported(alice).finally(over)
    expect(ofKind(records, 'conversation').map(({ conversation }) => conversation.id)).toEqual([
      conversationId,
    ])
    expect(ofKind(records, 'message').map(({ message }) => message.content)).toEqual([
      'Hello',
      said.body.message.content,
    ])
  })
})

describe('GET /conversations/{conversationId}/export', () => {
  test('gives one line for each record, whatever is in the text and whoever reads lines', async () => {
    const alice = await server.newUser()
    const message = 'one\u2028two\u2029three\u0085four\r\nfive\v\f\u001c'
    const { body } = await alice.expect(200, 'sendMessage', { body: { message } })
    for (const records of [await exported(alice, body.conversationId), await exported(alice)]) {
      expect(ofKind(records, 'message')[0]!.message.content).toBe(message)
    }
  })

  test('gives the conversation, its messages oldest first, and how many records there are', async () => {
    const alice = await server.newUser()
    const { conversationId } = await createUserResources(alice)
    await createUserResources(alice)
    await alice.expect(200, 'sendMessage', {
      body: { message: 'And another.', conversationId: conversationId! },
    })
    const records = await exported(alice, conversationId)
    const path = { conversationId: conversationId! }
    const { messages, ...conversation } = (await alice.expect(200, 'getConversation', { path }))
      .body
    expect(records).toEqual([
      { type: 'conversation', conversation },
      ...messages.map((message) => ({ type: 'message', message })),
      { type: 'end', records: 5 },
    ])
  })
})

describe('an export that does not come to its end', () => {
  /** An account with more than any socket holds: 20 pages of 200 messages of 8 kB. */
  async function withMuch() {
    const alice = await server.newUser()
    const [conversationId] = await givenConversations(await idOf(alice), 1)
    await givenMessages(conversationId!, 20 * PAGE, 'a'.repeat(8_000))
    return { alice, path: { conversationId: conversationId! } }
  }

  /** A reader that takes nothing until it resumes. */
  async function openUnread(client: Client, path: { conversationId: string }) {
    const url = new URL(client.urlOf('exportConversation', { path }))
    const socket = connect({ port: Number(url.port), host: url.hostname })
    await once(socket, 'connect')
    socket.pause()
    const headers = { ...client.credentials, Host: url.host, Connection: 'close' }
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    socket.write(`GET ${url.pathname} HTTP/1.1\r\n${lines.join('')}\r\n`)
    return socket
  }
  const pagesRead = () => watched.calls.filter((name) => name === 'messages.list').length
  const hungUp = () =>
    server
      .logged()
      .filter(({ operationId, hungUp: gone }) => operationId === 'exportConversation' && gone)
      .length

  test('waits for a reader who does not read, and stops reading when the reader hangs up', async () => {
    const { alice, path } = await withMuch()
    const [pagesBefore, goneBefore, timers] = [pagesRead(), hungUp(), server.clock.pending]
    const socket = await openUnread(alice, path)
    await until(() => server.clock.pending > timers)
    const waiting = pagesRead()
    expect(waiting - pagesBefore).toBeLessThan(20)
    socket.destroy()
    await until(() => hungUp() > goneBefore)
    await until(() => server.clock.pending === timers)
    expect(pagesRead() - pagesBefore).toBeLessThan(20)
  })

  test('is over at once for a reader who hangs up while a page is read', async () => {
    const { alice, path } = await withMuch()
    const held = createDeferred<undefined>()
    const [goneBefore, timers] = [hungUp(), server.clock.pending]
    const over = watched.instead('messages.list', async (real) => {
      await held.promise
      return real()
    })
    const pagesBefore = pagesRead()
    const socket = await openUnread(alice, path)
    await until(() => pagesRead() > pagesBefore)
    socket.destroy()
    await until(() => hungUp() > goneBefore)
    held.resolve(undefined)
    // Everything that the handler still does is done by the next answer of the database.
    await testStore.store.ping()
    await testStore.store.ping()
    over()
    expect([pagesRead() - pagesBefore, server.clock.pending]).toEqual([1, timers])
  })

  test('is cut for a reader who takes nothing for 30 s', async () => {
    const { alice, path } = await withMuch()
    const [goneBefore, timers] = [hungUp(), server.clock.pending]
    const socket = await openUnread(alice, path)
    await until(() => server.clock.pending > timers)
    // What the sockets still take on the way starts the 30 s anew.
    await until(async () => {
      await server.clock.advance(30_000)
      return hungUp() > goneBefore
    })
    let text = ''
    socket.setEncoding('latin1').on('data', (piece: string) => (text += piece))
    const closed = once(socket, 'close')
    socket.on('error', () => undefined).resume()
    await closed
    expect(text).toContain('"type":"conversation"')
    expect(text).not.toContain('"type":"end"')
    await until(() => server.clock.pending === timers)
  })

  test('is cut when the database goes away, and never looks complete', async () => {
    const { alice, path } = await withMuch()
    let pages = 0
    const over = watched.instead('messages.list', (real) => {
      pages += 1
      return pages === 3 ? away() : real()
    })
    const response = await fetch(alice.urlOf('exportConversation', { path }), {
      headers: alice.credentials,
    })
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
    let text = ''
    const reading = (async () => {
      for (let read = await reader.read(); !read.done; read = await reader.read()) {
        text += read.value
      }
    })()
    await expect(reading.finally(over)).rejects.toThrow('terminated')
    expect(text).toContain('"type":"message"')
    expect(text).not.toContain('"type":"end"')
  })

  test('is a problem when the database is away before it begins', async () => {
    const alice = await server.newUser()
    const over = watched.instead('accounts.find', away)
    const answer = await send(alice.urlOf('exportAccount'), { headers: alice.credentials })
    over()
    expect([answer.status, answer.problem().code]).toEqual([503, 'unavailable'])
  })
})

describe('DELETE /users/profile', () => {
  /** The rows of every table that name the account. */
  async function rowsOf(accountId: string) {
    const database = prisma()
    const owned = { where: { ownerId: accountId } }
    const own = { where: { accountId } }
    return {
      sessions: await database.session.count(own),
      apiKeys: await database.apiKey.count(own),
      conversations: await database.conversation.count(owned),
      messages: await database.message.count({ where: { conversation: owned.where } }),
      generations: await database.generation.count(owned),
      feedback: await database.feedback.count(own),
    }
  }
  const NOTHING = {
    sessions: 0,
    apiKeys: 0,
    conversations: 0,
    messages: 0,
    generations: 0,
    feedback: 0,
  }

  test('removes everything that was one’s own from every table, and lets the email register again', async () => {
    const body = {
      email: `${randomUUID()}@example.com`,
      password: 'a horse nobody guesses',
      displayName: 'Ada Lovelace of the tests',
    }
    const { id } = (await server.anybody.expect(201, 'register', { body })).body
    const alice = await logIn(server, body as never)
    await createUserResources(alice)
    await alice.expect(200, 'replaceProfile', {
      body: { displayName: body.displayName, preferences: { timeZone: 'Asia/Seoul' } },
    })
    expect(Object.values(await rowsOf(id)).filter((count) => count > 0)).toHaveLength(5)
    await alice.expect(204, 'closeAccount')

    expect(await rowsOf(id)).toEqual(NOTHING)
    const everything = await everythingIn(testStore.database)
    const known = [body.email, body.displayName, 'A secret.', 'Asia/Seoul']
    const left = (await prisma().account.findMany({ where: { id } })).map((row) =>
      JSON.stringify(row),
    )
    expect(known.filter((text) => left.join('').includes(text))).toEqual([])
    expect([body.email, body.displayName].filter((text) => everything.includes(text))).toEqual([])
    await server.anybody.refused('invalid-credentials', 'logIn', {
      body: { email: body.email, password: body.password },
    })
    const again = (await server.anybody.expect(201, 'register', { body })).body
    expect(again.id).not.toBe(id)
    const newcomer = await logIn(server, body as never)
    expect(ofKind(await exported(newcomer), 'conversation')).toEqual([])
  })

  test('refuses the tokens of all sessions at once', async () => {
    const alice = await server.newUser()
    const elsewhere = await logIn(server, alice.identity)
    await alice.expect(204, 'closeAccount')
    for (const one of [alice, elsewhere]) {
      await one.refused('token-invalid', 'getProfile')
      await one.refused('token-invalid', 'listConversations')
      const body = { refreshToken: one.identity.refreshToken }
      await server.anybody.refused('token-invalid', 'refreshTokens', { body })
    }
    await alice.refused('token-invalid', 'closeAccount')
  })

  test('is only done to the version that one has seen', async () => {
    const alice = await server.newUser()
    const stale = (await alice.expect(200, 'getProfile')).headers['etag']!
    const body = { displayName: 'Ada', preferences: {} }
    const { headers } = await alice.expect(200, 'replaceProfile', { body })
    const refusal = await alice.refused('precondition-failed', 'closeAccount', {
      headers: { 'If-Match': stale },
    })
    expect(refusal.headers['etag']).toBe(headers['etag'])
    await alice.expect(204, 'closeAccount', { headers: { 'If-Match': headers['etag']! } })
  })

  test('twice at the same moment is done once, and the other token opens nothing any more', async () => {
    const alice = await server.newUser()
    const both = createDeferred<undefined>()
    let began = 0
    const over = watched.instead('atomically', async (real) => {
      began += 1
      if (began === 2) both.resolve(undefined)
      await both.promise
      return real()
    })
    const closing = Promise.all([1, 2].map(() => alice.call('closeAccount')))
    const answers = await closing.finally(over)
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 401])
  })

  test('ends a stream that is running, and nothing of its answer is left', async () => {
    const engine = createManualEngine()
    const held = await startServer({ testStore, instead: { deps: { engine } } })
    const alice = await held.newUser()
    const id = await idOf(alice)
    const { turn, stream } = await openManualStream(engine, alice)
    await alice.expect(204, 'closeAccount')
    expect((await stream.rest()).map(({ name }) => name)).toEqual(['message.cancelled'])
    expect(turn.signal.aborted).toBe(true)
    await held.parley.services.generations.settled()
    expect(await rowsOf(id)).toEqual(NOTHING)
    await held.close()
  })

  test('is heard by another instance within its next look, two seconds later', async () => {
    const clock = new TestClock(server.clock.now())
    const other = await startServer({ testStore, clock })
    const alice = await server.newUser()
    const there = createClient(other.url, alice.identity)
    await there.expect(200, 'listConversations')
    await alice.expect(204, 'closeAccount')
    await clock.advance(2_000)
    await until(async () => (await there.call('listConversations')).status === 401)
    await there.refused('token-invalid', 'listConversations')
    await other.close()
  })
})

describe('a closed account that could not be swept', () => {
  /** Only what happens by the hour happens. */
  class SlowClock extends TestClock {
    override every(...[ms, run, onError]: Parameters<TestClock['every']>): () => void {
      return ms < HOUR_MS ? () => undefined : super.every(ms, run, onError)
    }
  }

  test('is refused all the same, and swept within the hour', async () => {
    const clock = new SlowClock(server.clock.now())
    const instead = { deps: { store: watched.store } }
    const slow = await startServer({ testStore, clock, instead })
    const alice = await slow.newUser()
    const id = await idOf(alice)
    await createUserResources(alice)
    const over = watched.instead('closedAccounts.sweep', away)
    await alice.expect(204, 'closeAccount').finally(over)
    await alice.refused('token-invalid', 'getProfile')
    const count = () => prisma().conversation.count({ where: { ownerId: id } })
    expect(await count()).toBe(1)
    expect(JSON.stringify(slow.logged())).toContain('closed account not removed yet')
    await clock.advance(HOUR_MS - MINUTE_MS)
    expect(await count()).toBe(1)
    await clock.advance(MINUTE_MS)
    await until(async () => (await count()) === 0)
    await slow.close()
  })

  test('is taken off its usage bit by bit before its row goes', async () => {
    const alice = await server.newUser()
    const accountId = await idOf(alice)
    const { generationId } = await createUserResources(alice)
    const over = watched.instead('closedAccounts.disownUsage', away)
    await alice.expect(204, 'closeAccount').finally(over)
    const clock = new TestClock(new Date(server.clock.now().getTime() + 48 * HOUR_MS))
    const later = await startServer({
      testStore,
      clock,
      instead: { deps: { store: watched.store } },
    })
    const calls = await watched.during(() => later.parley.services.closure.sweepAll())
    const of = (name: string) => calls.filter((call) => call === `closedAccounts.${name}`).length
    // Once for alice's usage, and once for everybody to see that there is no more.
    expect(of('disownUsage')).toBeGreaterThan(of('remove'))
    expect(await prisma().account.count({ where: { id: accountId } })).toBe(0)
    const where = { accountId: null, generationId: generationId! }
    expect(await prisma().usageRecord.count({ where })).toBe(1)
    await later.close()
  })

  test('gets nothing from an instance that has not heard of it', async () => {
    const clock = new SlowClock(server.clock.now())
    const slow = await startServer({ testStore, clock })
    const alice = await server.newUser()
    const id = await idOf(alice)
    const there = createClient(slow.url, alice.identity)
    await alice.expect(204, 'closeAccount')
    await there.refused('token-invalid', 'sendMessage', { body: { message: 'Too late' } })
    await there.refused('token-invalid', 'createConversation', { body: { mode: 'concise' } })
    expect(await prisma().conversation.count({ where: { ownerId: id } })).toBe(0)
    await slow.close()
  })
})
