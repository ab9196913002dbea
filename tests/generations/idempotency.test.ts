import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { OperationId } from '../../src/contract/types.ts'
import type { Client } from '../support/client.ts'
import { exampleBody, policies } from '../support/contract/contract.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { DAY_MS, JumpingClock, MINUTE_MS } from '../support/clock/jumping-clock.ts'
import { databaseDump } from '../support/database/database-dump.ts'
import { advanceUntilSettled } from '../support/clock/passing-time.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { callAs, cleanups } from './idempotency.given.ts'

const idempotentOperations = policies.operations
  .filter(({ idempotent }) => idempotent)
  .map(({ operationId }) => operationId as OperationId)

const CONCURRENT_CALLS = 100

let testStore: TestStore
let server: TestServer
beforeAll(async () => {
  testStore = await openTestStore()
  server = await startServer({ testStore, env: { MAX_OPEN_STREAMS: '1000' } })
})
afterAll(async () => {
  await server.close()
  await testStore.close()
})

/** Returns the example of the contract without ids, which belong to other callers. */
function bodyWithoutIds(operationId: OperationId): object {
  const body = exampleBody(operationId) as object
  return Object.fromEntries(Object.entries(body).filter(([name]) => !name.endsWith('Id')))
}

/** Returns a body that this caller may send. */
async function createBody(client: Client, operationId: OperationId): Promise<object> {
  if (operationId !== 'giveFeedback') return bodyWithoutIds(operationId)
  const { body } = await client.expect(200, 'sendMessage', { body: { message: 'Hello' } })
  return { messageId: body.message.id, rating: 'up' }
}

/** Returns another body for the same call. */
function changeBody(body: object): object {
  if ('rating' in body) return { ...body, rating: 'down' }
  return 'message' in body ? { ...body, message: 'Something else' } : { title: 'Something else' }
}

function remainingOf(response: { headers: Record<string, string> }): string | undefined {
  return /"user";r=(\d+)/.exec(response.headers['ratelimit'] ?? '')?.[1]
}

describe.each(idempotentOperations)('%s with an Idempotency-Key', (operationId) => {
  async function createCall() {
    const alice = await server.createUser()
    const body = await createBody(alice, operationId)
    const key = randomUUID()
    return { alice, body, key, headers: { 'Idempotency-Key': key } }
  }

  test('replays the first response without writing to the database or the rate limit', async () => {
    const { alice, body, key, headers } = await createCall()
    const first = await callAs(alice, operationId, headers, body)
    expect(first.status).toBeLessThan(300)
    expect(first.headers).not.toHaveProperty('idempotency-replayed')

    const before = await databaseDump(testStore.database)
    const reversed = Object.fromEntries(Object.entries(body).reverse())
    const quoted = { 'Idempotency-Key': `"${key}"` }
    for (const replayed of [
      await callAs(alice, operationId, headers, body),
      await callAs(alice, operationId, quoted, reversed),
    ]) {
      expect(replayed.status).toBe(first.status)
      expect(replayed.text).toBe(first.text)
      for (const name of ['etag', 'location', 'content-type', 'cache-control']) {
        expect(replayed.headers[name]).toBe(first.headers[name])
      }
      expect(replayed.headers['idempotency-replayed']).toBe('true')
      expect(remainingOf(replayed)).toBe(remainingOf(first))
      expect(replayed.headers['x-request-id']).not.toBe(first.headers['x-request-id'])
    }
    expect(await databaseDump(testStore.database)).toBe(before)
  })

  test('replays when the rate limit is exceeded, and refuses a new key until it resets', async () => {
    const env = { RATE_LIMIT_USER: '4/60', RATE_LIMIT_CHAT: '4/60' }
    const limited = await startServer({ env })
    cleanups.push(() => limited.close())
    const alice = await limited.createUser()
    const body = await createBody(alice, operationId)
    const headers = { 'Idempotency-Key': 'first' }
    const first = await callAs(alice, operationId, headers, body)
    while ((await alice.call('getProfile')).status === 200);

    const replayed = await callAs(alice, operationId, headers, body)
    expect([replayed.status, replayed.text]).toEqual([first.status, first.text])

    const other = { 'Idempotency-Key': 'other' }
    expect((await callAs(alice, operationId, other, body)).code).toBe('quota-exceeded')

    await limited.clock.advance(60_000)
    const later = await callAs(alice, operationId, other, changeBody(body))
    expect(later.status).toBe(first.status)
    expect(later.headers).not.toHaveProperty('idempotency-replayed')
  })

  test('returns 422 for a key that was used with another body', async () => {
    const { alice, body, headers } = await createCall()
    await callAs(alice, operationId, headers, body)

    const reused = await callAs(alice, operationId, headers, changeBody(body))

    expect([reused.status, reused.code]).toEqual([422, 'idempotency-key-reused'])
  })

  test('keeps equal keys of different users apart', async () => {
    const { alice, body, headers } = await createCall()
    const first = await callAs(alice, operationId, headers, body)
    const bob = await server.createUser()

    const other = await callAs(bob, operationId, headers, await createBody(bob, operationId))

    expect(other.status).toBe(first.status)
    expect(other.headers).not.toHaveProperty('idempotency-replayed')
    expect(other.text).not.toBe(first.text)
  })

  test('performs one of 100 concurrent calls', async () => {
    const { alice, body, headers } = await createCall()

    const calls = Array.from({ length: CONCURRENT_CALLS }, () =>
      callAs(alice, operationId, headers, body),
    )
    const responses = await advanceUntilSettled([server.clock], Promise.all(calls))

    const successes = responses.filter(({ status }) => status < 300)
    expect(new Set(successes.map(({ text }) => text)).size).toBe(1)
    expect(successes.filter(({ headers: all }) => !all['idempotency-replayed'])).toHaveLength(1)
    for (const refused of responses.filter(({ status }) => status >= 300)) {
      expect([refused.status, refused.code]).toEqual([409, 'idempotency-in-progress'])
      expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    }

    if (operationId === 'streamMessage') expect(successes).toHaveLength(CONCURRENT_CALLS)
    const { prisma } = testStore.database
    const ownerId = (await alice.expect(200, 'getProfile')).body.id
    const generations = await prisma.generation.count({ where: { ownerId } })
    expect(generations).toBe(operationId === 'createConversation' ? 0 : 1)
    expect(await prisma.conversation.count({ where: { ownerId } })).toBe(1)
    expect(await prisma.usageRecord.count({ where: { accountId: ownerId } })).toBe(generations)
  })

  test('leaves the key free when the call was refused', async () => {
    const { alice, body, headers } = await createCall()
    const invalid = await callAs(alice, operationId, headers, { ...body, wrong: 1 })
    expect(invalid.code).toBe('invalid-request')

    if (operationId !== 'createConversation') {
      const name = operationId === 'giveFeedback' ? 'messageId' : 'conversationId'
      const missing = await callAs(alice, operationId, headers, { ...body, [name]: randomUUID() })
      expect(missing.code).toBe('not-found')
    }

    const accepted = await callAs(alice, operationId, headers, body)

    expect(accepted.status).toBeLessThan(300)
    expect(accepted.headers).not.toHaveProperty('idempotency-replayed')
  })

  test.each([
    ['empty', ''],
    ['256 characters long', 'k'.repeat(256)],
    ['256 characters long in quotes', `"${'k'.repeat(256)}"`],
    ['empty in quotes', '""'],
    ['a single quote', '"'],
    ['missing its closing quote', '"key'],
    ['a text with a tab', 'a\tb'],
    ['not ASCII', 'k\u00e9y'],
    ['sent twice', ['one', 'two']],
    ['sent twice with one value', ['one', 'one']],
  ])('returns 400 for a key that is %s, and changes nothing', async (_, key) => {
    const { alice, body } = await createCall()
    const before = await databaseDump(testStore.database)

    const response = await callAs(alice, operationId, { 'Idempotency-Key': key }, body)

    expect([response.status, response.code]).toEqual([400, 'invalid-request'])
    expect(response.problem().errors![0]!.in).toBe('header')
    expect(await databaseDump(testStore.database)).toBe(before)
  })

  test.each([['k'.repeat(255)], [`"${'k'.repeat(255)}"`], ['a b'], ['a"'], ['~!@#$%^&*()']])(
    'accepts the key %j',
    async (key) => {
      const { alice, body } = await createCall()
      const headers = { 'Idempotency-Key': key }
      const first = await callAs(alice, operationId, headers, body)

      const replayed = await callAs(alice, operationId, headers, body)

      expect([replayed.status, replayed.text]).toEqual([first.status, first.text])
      expect(replayed.headers['idempotency-replayed']).toBe('true')
    },
  )
})

describe('an Idempotency-Key', () => {
  test('is supported by at least these operations', () => {
    expect(idempotentOperations).toEqual(
      expect.arrayContaining([
        'createConversation',
        'giveFeedback',
        'sendMessage',
        'streamMessage',
      ]),
    )
  })

  test('belongs to one operation', async () => {
    const alice = await server.createUser()
    const headers = { 'Idempotency-Key': 'shared' }
    const body = { message: 'Hello' }
    const whole = await callAs(alice, 'sendMessage', headers, body)

    const stream = await callAs(alice, 'streamMessage', headers, body)

    expect([whole.status, stream.status]).toEqual([200, 200])
    expect(stream.headers).not.toHaveProperty('idempotency-replayed')
  })

  test('expires after 24 hours', async () => {
    const clock = new JumpingClock('2026-11-23T09:00:00.000Z')
    const clockedServer = await startServer({ clock })
    cleanups.push(() => clockedServer.close())
    const alice = await clockedServer.createUser()
    const { email, password } = alice.identity
    const createConversation = async () => {
      const credentials = { email, password }
      const { body } = await clockedServer.anonymous.expect(200, 'logIn', { body: credentials })
      const headers = { 'Idempotency-Key': 'old' }
      return (await callAs(alice.with(body), 'createConversation', headers, {})).text
    }
    const first = await createConversation()

    clock.jump(DAY_MS - MINUTE_MS)
    await clockedServer.parley.services.idempotency.prune()
    expect(await createConversation()).toBe(first)

    clock.jump(2 * MINUTE_MS)
    await clockedServer.parley.services.idempotency.prune()
    expect(await createConversation()).not.toBe(first)
  })
})
