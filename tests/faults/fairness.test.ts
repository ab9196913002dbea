import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createDeferred } from '../../src/lib/deferred.ts'
import { NodeEventLoop } from '../../src/ports/clock/event-loop.ts'
import { DatabaseUnavailable } from '../../src/store/store.ts'
import type { Client } from '../support/client.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { insertLongMessages } from '../support/long-texts.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/clock/until.ts'
import { spyOnStore, type SpyStore } from '../support/database/spy-store.ts'

/** Concurrent exports of one caller (CONTRACT: limits). */
const MAX_EXPORTS = 4
const LONG_TEXT = '한'.repeat(31_900)
/** With texts of this length, more than any socket buffers. */
const MANY_MESSAGES = 300

let testStore: TestStore
let spyStore: SpyStore
let server: TestServer
/** The turns of the event loop that long work may take before it waits for `resumed`. */
let turnsLeft = Infinity
let resumed = createDeferred<undefined>()

beforeAll(async () => {
  testStore = await openTestStore()
  spyStore = spyOnStore(testStore.store)
  const real = new NodeEventLoop()
  const eventLoop = {
    async yield() {
      turnsLeft -= 1
      if (turnsLeft < 0) await resumed.promise
      await real.yield()
    },
  }
  server = await startServer({
    testStore,
    replacements: { deps: { store: spyStore.store, eventLoop } },
  })
})
afterAll(async () => {
  await server.close()
  await testStore.close()
})

const getAccountId = async (client: Client) => (await client.expect(200, 'getProfile')).body.id

async function createUserWithMessages(count = MANY_MESSAGES) {
  const client = await server.createUser()
  const conversationId = await insertLongMessages(testStore, await getAccountId(client), {
    count,
    text: LONG_TEXT,
  })
  return { client, path: { conversationId } }
}

type UserWithMessages = Awaited<ReturnType<typeof createUserWithMessages>>

/** Begins an export and reads nothing of its body. */
async function startExport({ client, path }: UserWithMessages) {
  const sent = request(client.urlOf('exportConversation', { path }), {
    agent: false,
    headers: client.credentials,
  })
  sent.on('error', () => undefined).end()
  const [response] = (await once(sent, 'response')) as [IncomingMessage]
  response.on('error', () => undefined)
  return { response, hangUp: () => sent.destroy() }
}

const exportingCallers = () => server.parley.services.largeReads.load().exporting

describe('concurrent exports of one caller', () => {
  test('are refused beyond four, with Retry-After and without counting against the rate limit', async () => {
    const alice = await createUserWithMessages()
    const open = await Promise.all(Array.from({ length: MAX_EXPORTS }, () => startExport(alice)))
    const remaining = async () => {
      const { body } = await alice.client.expect(200, 'getRateLimits')
      return body.data.find(({ policy }) => policy === 'user')!.remaining
    }
    const before = await remaining()

    const refused = await alice.client.refused('export-busy', 'exportConversation', alice)

    expect(refused.status).toBe(429)
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    expect(refused.body.violatedPolicies).toEqual(['exports'])

    await alice.client.refused('export-busy', 'exportAccount')
    expect(await remaining()).toBe(before)

    // Other callers have slots of their own, and lists are no exports.
    await (await server.createUser()).expect(200, 'exportAccount')
    await alice.client.expect(200, 'listMessages', { path: alice.path, query: { limit: 1 } })

    for (const { hangUp } of open) hangUp()
    await until(() => exportingCallers() === 0)
  })

  test('release their slots when they end', async () => {
    const alice = await createUserWithMessages(3)

    for (let i = 0; i < 2 * MAX_EXPORTS; i += 1) {
      await alice.client.expect(200, 'exportConversation', alice)
    }

    await until(() => exportingCallers() === 0)
    expect(server.parley.services.largeReads.load()).toMatchObject({ running: 0, waiting: 0 })
  })

  test('release their slots when their readers disconnect', async () => {
    const alice = await createUserWithMessages()
    const open = await Promise.all(Array.from({ length: MAX_EXPORTS }, () => startExport(alice)))

    for (const { hangUp } of open) hangUp()

    await until(() => exportingCallers() === 0)
    expect(server.parley.services.largeReads.load()).toMatchObject({ running: 0, waiting: 0 })
  })

  test('release their slots when they fail', async () => {
    const alice = await createUserWithMessages(3)
    const restore = spyStore.instead('messages.list', () =>
      Promise.reject(new DatabaseUnavailable('The database is unavailable')),
    )

    // The connection may be cut before the head of the response is sent.
    await startExport(alice).catch(() => undefined)
    await until(() => exportingCallers() === 0)
    restore()

    await alice.client.refused('not-found', 'exportConversation', {
      path: { conversationId: '00000000-0000-7000-8000-000000000000' },
    })
    await until(() => exportingCallers() === 0)
    expect(server.parley.services.largeReads.load()).toMatchObject({ running: 0, waiting: 0 })
  })

  test('do not delay other callers while their readers do not read', async () => {
    const alice = await createUserWithMessages()
    const open = await Promise.all(Array.from({ length: MAX_EXPORTS }, () => startExport(alice)))

    await until(() => server.parley.services.largeReads.load().running === 0)
    expect(exportingCallers()).toBe(1)

    const other = await createUserWithMessages(5)
    await other.client.expect(200, 'exportConversation', other)

    for (const { hangUp } of open) hangUp()
  })
})

describe('concurrent lists of one caller', () => {
  /** Makes calls that read the store only once all have arrived. Returns their statuses. */
  async function callConcurrently(
    count: number,
    read: string,
    call: () => Promise<{ status: number }>,
  ) {
    const arrived = createDeferred<undefined>()
    const restore = spyStore.instead(read, async (real) => {
      await arrived.promise
      return real()
    })
    const calls = Array.from({ length: count }, call)
    const load = () => server.parley.services.largeReads.load()
    await until(() => load().running + load().waiting === count)
    arrived.resolve(undefined)
    const responses = await Promise.all(calls).finally(restore)
    return responses.map(({ status }) => status)
  }

  test('are never refused when their texts are short', async () => {
    const client = await server.createUser()
    const text = 'a'.repeat(1_000)
    const conversationId = await insertLongMessages(testStore, await getAccountId(client), {
      count: 60,
      text,
    })
    const path = { conversationId }
    const call = () => client.call('getConversation', { path })

    const statuses = await callConcurrently(60, 'conversations.findWithLatestMessages', call)

    expect(new Set(statuses)).toEqual(new Set([200]))
  })

  test('are refused when they are large and too many, and served again afterwards', async () => {
    const alice = await createUserWithMessages(20)
    const call = () => alice.client.call('listMessages', { path: alice.path })

    const statuses = await callConcurrently(60, 'messages.list', call)

    expect(new Set(statuses)).toEqual(new Set([200, 429]))
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(8)

    await alice.client.expect(200, 'listMessages', { path: alice.path })
  })

  test('let a list of another caller be read in between', async () => {
    const [alice, bob] = [await createUserWithMessages(20), await createUserWithMessages(20)]
    const begun: string[] = []
    const reads: (() => void)[] = []
    const readWhenReleased = async (
      real: () => Promise<unknown>,
      page: { conversationId: string },
    ) => {
      const gate = createDeferred<undefined>()
      reads.push(() => {
        gate.resolve(undefined)
      })
      begun.push(page.conversationId)
      await gate.promise
      return real()
    }
    const restore = spyStore.instead('messages.list', readWhenReleased)
    const list = (owner: UserWithMessages) =>
      owner.client.call('listMessages', { path: owner.path })

    const aliceLists = Array.from({ length: 30 }, () => list(alice))
    const { largeReads } = server.parley.services
    await until(() => largeReads.load().waiting >= 20)
    const bobList = list(bob)
    await until(() => largeReads.load().parties === 2)
    const before = begun.length

    // Each read that ends lets another begin.
    for (let ended = 0; !begun.includes(bob.path.conversationId) && ended < before; ended += 1) {
      reads[ended]!()
      await until(() => begun.length > before + ended)
    }

    const since = begun.slice(before)
    expect(since).toContain(bob.path.conversationId)
    // One more read of Alice may have been due.
    expect(since.indexOf(bob.path.conversationId)).toBeLessThanOrEqual(1)

    restore()
    for (const read of reads) read()
    await Promise.all([...aliceLists, bobList])
  })
})

describe('a long response', () => {
  /** Returns the length of what arrives within this many turns of long work, and the whole text. */
  async function readInTurns(address: string, client: Client, turns: number) {
    resumed = createDeferred<undefined>()
    turnsLeft = turns
    const response = await fetch(address, { headers: client.credentials })
    let text = ''
    const reading = (async () => {
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) text += chunk
    })()
    await until(() => turnsLeft < 0)
    const soFar = text.length
    turnsLeft = Infinity
    resumed.resolve(undefined)
    await reading
    return { soFar, text }
  }
  /** The most that is written in one turn: the bound, and the piece that exceeds it. */
  const MAX_PER_TURN = 65_536 + 10_000

  test('writes a bounded part of an export in each turn of the event loop', async () => {
    const client = await server.createUser()
    const text = 'a'.repeat(8_000)
    const conversationId = await insertLongMessages(testStore, await getAccountId(client), {
      count: 60,
      text,
    })
    const address = client.urlOf('exportConversation', { path: { conversationId } })

    const exported = await readInTurns(address, client, 3)

    expect(exported.soFar).toBeLessThanOrEqual(3 * MAX_PER_TURN)
    expect(exported.text).toContain('{"type":"end","records":61}')
  })

  test('writes a bounded part of a stream in each turn of the event loop', async () => {
    const client = await server.createUser()
    const { body } = await client.expect(200, 'sendMessage', { body: { message: 'Hello' } })
    const pieces = 3_000
    const { prisma } = testStore.database
    const pieceEnds = Array.from({ length: pieces }, (_, i) => i + 1)
    const content = 'a'.repeat(pieces)
    await prisma.message.update({ where: { id: body.message.id }, data: { content } })
    await prisma.generation.update({ where: { id: body.generationId }, data: { pieceEnds } })
    const path = { generationId: body.generationId }

    const streamed = await readInTurns(client.urlOf('resumeStream', { path }), client, 2)

    expect(streamed.soFar).toBeLessThanOrEqual(3 * MAX_PER_TURN)
    expect(streamed.text.match(/event: message\.delta/g)).toHaveLength(pieces)
  })
})
