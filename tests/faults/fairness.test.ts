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

/** Exports that one caller may have under way (CONTRACT: limits). */
const MOST_EXPORTS = 4
const LONG = '한'.repeat(31_900)
/** More than any socket holds. */
const MUCH = 300

let testStore: TestStore
let watched: SpyStore
let server: TestServer
/** How many turns of the event loop long work may still take, and what lets it go on. */
let turnsLeft = Infinity
let goOn = createDeferred<undefined>()

beforeAll(async () => {
  testStore = await openTestStore()
  watched = spyOnStore(testStore.store)
  const real = new NodeEventLoop()
  const eventLoop = {
    async yield() {
      turnsLeft -= 1
      if (turnsLeft < 0) await goOn.promise
      await real.yield()
    },
  }
  server = await startServer({
    testStore,
    replacements: { deps: { store: watched.store, eventLoop } },
  })
})
afterAll(async () => {
  await server.close()
  await testStore.close()
})

const idOf = async (client: Client) => (await client.expect(200, 'getProfile')).body.id

async function somebodyWithMuch(count = MUCH) {
  const client = await server.createUser()
  const conversationId = await insertLongMessages(testStore, await idOf(client), {
    count,
    text: LONG,
  })
  return { client, path: { conversationId } }
}

type Much = Awaited<ReturnType<typeof somebodyWithMuch>>

/** Begins an export and takes nothing of it. */
async function beginExport({ client, path }: Much) {
  const asked = request(client.urlOf('exportConversation', { path }), {
    agent: false,
    headers: client.credentials,
  })
  asked.on('error', () => undefined).end()
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  answer.on('error', () => undefined)
  return { answer, hangUp: () => asked.destroy() }
}

const exporting = () => server.parley.services.largeReads.load().exporting

describe('exports of one caller', () => {
  test('are refused beyond four, at no cost, and saying when to come again', async () => {
    const much = await somebodyWithMuch()
    const open = await Promise.all(Array.from({ length: MOST_EXPORTS }, () => beginExport(much)))
    const left = async () => {
      const { body } = await much.client.expect(200, 'getRateLimits')
      return body.data.find(({ policy }) => policy === 'user')!.remaining
    }
    const before = await left()
    const refused = await much.client.refused('export-busy', 'exportConversation', much)
    expect(refused.status).toBe(429)
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    expect(refused.body.violatedPolicies).toEqual(['exports'])

    await much.client.refused('export-busy', 'exportAccount')
    expect(await left()).toBe(before)

    // Whoever else comes has places of its own, and lists are no exports.
    await (await server.createUser()).expect(200, 'exportAccount')
    await much.client.expect(200, 'listMessages', { path: much.path, query: { limit: 1 } })
    for (const { hangUp } of open) hangUp()
    await until(() => exporting() === 0)
  })

  test('give their places back at the end, at a hang-up and at a failure', async () => {
    const much = await somebodyWithMuch(3)
    for (let i = 0; i < 2 * MOST_EXPORTS; i += 1) {
      await much.client.expect(200, 'exportConversation', much)
    }
    await until(() => exporting() === 0)

    const large = await somebodyWithMuch()
    const open = await Promise.all(Array.from({ length: MOST_EXPORTS }, () => beginExport(large)))
    for (const { hangUp } of open) hangUp()
    await until(() => exporting() === 0)

    const over = watched.instead('messages.list', () =>
      Promise.reject(new DatabaseUnavailable('The database went away')),
    )
    // It may be cut before its head is out.
    await beginExport(much).catch(() => undefined)
    await until(() => exporting() === 0)
    over()
    await much.client.refused('not-found', 'exportConversation', {
      path: { conversationId: '00000000-0000-7000-8000-000000000000' },
    })
    await until(() => exporting() === 0)
    expect(server.parley.services.largeReads.load()).toMatchObject({ running: 0, waiting: 0 })
  })

  test('hold up nobody while their readers take nothing', async () => {
    const much = await somebodyWithMuch()
    const open = await Promise.all(Array.from({ length: MOST_EXPORTS }, () => beginExport(much)))
    await until(() => server.parley.services.largeReads.load().running === 0)
    expect(exporting()).toBe(1)

    const other = await somebodyWithMuch(5)
    await other.client.expect(200, 'exportConversation', other)
    for (const { hangUp } of open) hangUp()
  })
})

describe('lists of one caller', () => {
  /** Asks so often, and lets the store answer once all have come. @returns the statuses */
  async function askAtOnce(count: number, read: string, ask: () => Promise<{ status: number }>) {
    const come = createDeferred<undefined>()
    const over = watched.instead(read, async (real) => {
      await come.promise
      return real()
    })
    const asked = Array.from({ length: count }, ask)
    const load = () => server.parley.services.largeReads.load()
    await until(() => load().running + load().waiting === count)
    come.resolve(undefined)
    const answers = await Promise.all(asked).finally(over)
    return answers.map(({ status }) => status)
  }

  test('of ordinary texts are never refused, however many come at once', async () => {
    const client = await server.createUser()
    const text = 'a'.repeat(1_000)
    const conversationId = await insertLongMessages(testStore, await idOf(client), {
      count: 60,
      text,
    })
    const path = { conversationId }
    const ask = () => client.call('getConversation', { path })

    const statuses = await askAtOnce(60, 'conversations.findWithLatestMessages', ask)

    expect(new Set(statuses)).toEqual(new Set([200]))
  })

  test('are refused where they are large and too many, and answered again afterwards', async () => {
    const much = await somebodyWithMuch(20)
    const ask = () => much.client.call('listMessages', { path: much.path })
    const statuses = await askAtOnce(60, 'messages.list', ask)
    expect(new Set(statuses)).toEqual(new Set([200, 429]))
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(8)

    await much.client.expect(200, 'listMessages', { path: much.path })
  })

  test('wait for their turn while the pages of another are read, who is answered between', async () => {
    const [alice, bob] = [await somebodyWithMuch(20), await somebodyWithMuch(20)]
    const begun: string[] = []
    const reads: (() => void)[] = []
    const readWhenLet = async (real: () => Promise<unknown>, page: { conversationId: string }) => {
      const gate = createDeferred<undefined>()
      reads.push(() => {
        gate.resolve(undefined)
      })
      begun.push(page.conversationId)
      await gate.promise
      return real()
    }
    const over = watched.instead('messages.list', readWhenLet)
    const of = (one: Much) => one.client.call('listMessages', { path: one.path })
    const alices = Array.from({ length: 30 }, () => of(alice))
    const { largeReads } = server.parley.services
    await until(() => largeReads.load().waiting >= 20)
    const bobs = of(bob)
    await until(() => largeReads.load().parties === 2)
    const before = begun.length
    // Each that ends lets one begin.
    for (let ended = 0; !begun.includes(bob.path.conversationId) && ended < before; ended += 1) {
      reads[ended]!()
      await until(() => begun.length > before + ended)
    }
    const since = begun.slice(before)
    expect(since).toContain(bob.path.conversationId)
    // It may have been Alice's turn once more.
    expect(since.indexOf(bob.path.conversationId)).toBeLessThanOrEqual(1)

    over()
    for (const read of reads) read()
    await Promise.all([...alices, bobs])
  })
})

describe('a long answer', () => {
  /** Asks while long work may take so many turns. @returns what came in these, and then all of it */
  async function readInTurns(address: string, client: Client, turns: number) {
    goOn = createDeferred<undefined>()
    turnsLeft = turns
    const response = await fetch(address, { headers: client.credentials })
    let text = ''
    const reading = (async () => {
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) text += chunk
    })()
    await until(() => turnsLeft < 0)
    const soFar = text.length
    turnsLeft = Infinity
    goOn.resolve(undefined)
    await reading
    return { soFar, text }
  }
  /** What is written in one turn, and the piece that goes beyond it. */
  const A_TURN = 65_536 + 10_000

  test('of an export is written a little in each turn of the event loop', async () => {
    const client = await server.createUser()
    const text = 'a'.repeat(8_000)
    const conversationId = await insertLongMessages(testStore, await idOf(client), {
      count: 60,
      text,
    })
    const address = client.urlOf('exportConversation', { path: { conversationId } })

    const exported = await readInTurns(address, client, 3)

    expect(exported.soFar).toBeLessThanOrEqual(3 * A_TURN)
    expect(exported.text).toContain('{"type":"end","records":61}')
  })

  test('of a stream is written a little in each turn of the event loop', async () => {
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

    expect(streamed.soFar).toBeLessThanOrEqual(3 * A_TURN)
    expect(streamed.text.match(/event: message\.delta/g)).toHaveLength(pieces)
  })
})
