import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { OperationId } from '../../src/contract/types.ts'
import { EngineFailure } from '../../src/engine/engine.ts'
import type { Client } from '../support/client.ts'
import { exampleBody, policies } from '../support/contract/contract.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { createManualEngine } from '../support/upstream/manual-engine.ts'
import { DAY_MS, JumpingClock, MINUTE_MS } from '../support/clock/jumping-clock.ts'
import { databaseDump } from '../support/contract/operations.ts'
import { advanceUntilSettled } from '../support/clock/passing-time.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { openStream, textOf } from '../support/wire/stream.ts'
import { until } from '../support/clock/until.ts'
import { callAs, cleanups } from './idempotency.given.ts'

const honouring = policies.operations
  .filter(({ idempotent }) => idempotent)
  .map(({ operationId }) => operationId as OperationId)

const AT_ONCE = 100

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

/** The example of the contract, without what is somebody's. */
function ownBody(operationId: OperationId): object {
  const body = exampleBody(operationId) as object
  return Object.fromEntries(Object.entries(body).filter(([name]) => !name.endsWith('Id')))
}

/** A body that this caller may send. */
async function bodyFor(client: Client, operationId: OperationId): Promise<object> {
  if (operationId !== 'giveFeedback') return ownBody(operationId)
  const { body } = await client.expect(200, 'sendMessage', { body: { message: 'Hello' } })
  return { messageId: body.message.id, rating: 'up' }
}

/** Another body of the same call. */
function changed(body: object): object {
  if ('rating' in body) return { ...body, rating: 'down' }
  return 'message' in body ? { ...body, message: 'Something else' } : { title: 'Something else' }
}

function leftOf(answer: { headers: Record<string, string> }): string | undefined {
  return /"user";r=(\d+)/.exec(answer.headers['ratelimit'] ?? '')?.[1]
}

test('the contract has operations that honour a key', () => {
  expect(honouring).toEqual(
    expect.arrayContaining(['createConversation', 'giveFeedback', 'sendMessage', 'streamMessage']),
  )
})

describe.each(honouring)('%s with an Idempotency-Key', (operationId) => {
  async function givenCall() {
    const alice = await server.createUser()
    const body = await bodyFor(alice, operationId)
    const key = randomUUID()
    return { alice, body, key, headers: { 'Idempotency-Key': key } }
  }

  test('answers the same again, writes nothing and costs nothing', async () => {
    const { alice, body, key, headers } = await givenCall()
    const first = await callAs(alice, operationId, headers, body)
    expect(first.status).toBeLessThan(300)
    expect(first.headers).not.toHaveProperty('idempotency-replayed')

    const written = await databaseDump(testStore.database)
    const reversed = Object.fromEntries(Object.entries(body).reverse())
    const quoted = { 'Idempotency-Key': `"${key}"` }
    for (const again of [
      await callAs(alice, operationId, headers, body),
      await callAs(alice, operationId, quoted, reversed),
    ]) {
      expect(again.status).toBe(first.status)
      expect(again.text).toBe(first.text)
      for (const name of ['etag', 'location', 'content-type', 'cache-control']) {
        expect(again.headers[name]).toBe(first.headers[name])
      }
      expect(again.headers['idempotency-replayed']).toBe('true')
      expect(leftOf(again)).toBe(leftOf(first))
      expect(again.headers['x-request-id']).not.toBe(first.headers['x-request-id'])
    }
    expect(await databaseDump(testStore.database)).toBe(written)
  })

  test('answers the same although the limits are spent, and refuses what is new', async () => {
    const env = { RATE_LIMIT_USER: '4/60', RATE_LIMIT_CHAT: '4/60' }
    const limited = await startServer({ env })
    cleanups.push(() => limited.close())
    const alice = await limited.createUser()
    const body = await bodyFor(alice, operationId)
    const headers = { 'Idempotency-Key': 'spent' }
    const first = await callAs(alice, operationId, headers, body)
    while ((await alice.call('getProfile')).status === 200);
    const again = await callAs(alice, operationId, headers, body)
    expect([again.status, again.text]).toEqual([first.status, first.text])

    const other = { 'Idempotency-Key': 'other' }
    expect((await callAs(alice, operationId, other, body)).code).toBe('quota-exceeded')

    await limited.clock.advance(60_000)
    const later = await callAs(alice, operationId, other, changed(body))
    expect(later.status).toBe(first.status)
    expect(later.headers).not.toHaveProperty('idempotency-replayed')
  })

  test('is refused with another body, and is another call of another user', async () => {
    const { alice, body, headers } = await givenCall()
    const first = await callAs(alice, operationId, headers, body)
    const reused = await callAs(alice, operationId, headers, changed(body))
    expect([reused.status, reused.code]).toEqual([422, 'idempotency-key-reused'])

    const bob = await server.createUser()
    const other = await callAs(bob, operationId, headers, await bodyFor(bob, operationId))
    expect(other.status).toBe(first.status)
    expect(other.headers).not.toHaveProperty('idempotency-replayed')
    expect(other.text).not.toBe(first.text)
  })

  test('is done once of 100 at once', async () => {
    const { alice, body, headers } = await givenCall()
    const calls = Array.from({ length: AT_ONCE }, () => callAs(alice, operationId, headers, body))
    const answers = await advanceUntilSettled([server.clock], Promise.all(calls))
    const fine = answers.filter(({ status }) => status < 300)
    expect(new Set(fine.map(({ text }) => text)).size).toBe(1)
    expect(fine.filter(({ headers: all }) => !all['idempotency-replayed'])).toHaveLength(1)
    for (const answer of answers.filter(({ status }) => status >= 300)) {
      expect([answer.status, answer.code]).toEqual([409, 'idempotency-in-progress'])
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
    }

    if (operationId === 'streamMessage') expect(fine).toHaveLength(AT_ONCE)
    const { prisma } = testStore.database
    const ownerId = (await alice.expect(200, 'getProfile')).body.id
    const generations = await prisma.generation.count({ where: { ownerId } })
    expect(generations).toBe(operationId === 'createConversation' ? 0 : 1)
    expect(await prisma.conversation.count({ where: { ownerId } })).toBe(1)
    expect(await prisma.usageRecord.count({ where: { accountId: ownerId } })).toBe(generations)
  })

  test('that was refused is free', async () => {
    const { alice, body, headers } = await givenCall()
    const invalid = await callAs(alice, operationId, headers, { ...body, wrong: 1 })
    expect(invalid.code).toBe('invalid-request')

    if (operationId !== 'createConversation') {
      const name = operationId === 'giveFeedback' ? 'messageId' : 'conversationId'
      const missing = await callAs(alice, operationId, headers, { ...body, [name]: randomUUID() })
      expect(missing.code).toBe('not-found')
    }
    const fine = await callAs(alice, operationId, headers, body)
    expect(fine.status).toBeLessThan(300)
    expect(fine.headers).not.toHaveProperty('idempotency-replayed')
  })

  test.each([
    ['empty', ''],
    ['of 256 characters', 'k'.repeat(256)],
    ['of 256 characters in quotes', `"${'k'.repeat(256)}"`],
    ['of nothing in quotes', '""'],
    ['of one quote', '"'],
    ['with a quote that does not end', '"key'],
    ['with a tab', 'a\tb'],
    ['that is not ASCII', 'k\u00e9y'],
    ['twice', ['one', 'two']],
    ['twice the same', ['one', 'one']],
  ])('that is %s is 400, and nothing is done', async (_, key) => {
    const { alice, body } = await givenCall()
    const written = await databaseDump(testStore.database)

    const answer = await callAs(alice, operationId, { 'Idempotency-Key': key }, body)

    expect([answer.status, answer.code]).toEqual([400, 'invalid-request'])
    expect(answer.problem().errors![0]!.in).toBe('header')
    expect(await databaseDump(testStore.database)).toBe(written)
  })

  test.each([['k'.repeat(255)], [`"${'k'.repeat(255)}"`], ['a b'], ['a"'], ['~!@#$%^&*()']])(
    'may be %j',
    async (key) => {
      const { alice, body } = await givenCall()
      const headers = { 'Idempotency-Key': key }
      const first = await callAs(alice, operationId, headers, body)

      const again = await callAs(alice, operationId, headers, body)

      expect([again.status, again.text]).toEqual([first.status, first.text])
      expect(again.headers['idempotency-replayed']).toBe('true')
    },
  )
})

test('a key belongs to one operation', async () => {
  const alice = await server.createUser()
  const headers = { 'Idempotency-Key': 'shared' }
  const body = { message: 'Hello' }
  const whole = await callAs(alice, 'sendMessage', headers, body)

  const stream = await callAs(alice, 'streamMessage', headers, body)

  expect([whole.status, stream.status]).toEqual([200, 200])
  expect(stream.headers).not.toHaveProperty('idempotency-replayed')
})

test('a key is kept for 24 hours, and then forgotten', async () => {
  const clock = new JumpingClock('2026-11-23T09:00:00.000Z')
  const aging = await startServer({ clock })
  cleanups.push(() => aging.close())
  const alice = await aging.createUser()
  const ask = async () => {
    const { body } = await aging.anonymous.expect(200, 'logIn', { body: credentials })
    const client = alice.with(body)
    return (await callAs(client, 'createConversation', { 'Idempotency-Key': 'old' }, {})).text
  }
  const { email, password } = alice.identity
  const credentials = { email, password }
  const first = await ask()
  clock.jump(DAY_MS - MINUTE_MS)
  await aging.parley.services.idempotency.prune()
  expect(await ask()).toBe(first)

  clock.jump(2 * MINUTE_MS)
  await aging.parley.services.idempotency.prune()
  expect(await ask()).not.toBe(first)
})

describe('while the first call is running', () => {
  const engine = createManualEngine()
  let held: TestServer
  let ownStore: TestStore
  beforeAll(async () => {
    const env = { MAX_OPEN_STREAMS: '1000', RATE_LIMIT_CHAT: '1/60' }
    ownStore = await openTestStore()
    held = await startServer({ env, testStore: ownStore, replacements: { deps: { engine } } })
  })
  afterAll(async () => {
    await held.close()
    await ownStore.close()
  })

  test('POST /chat is refused with Retry-After, limits spent or not', async () => {
    const alice = await held.createUser()
    const headers = { 'Idempotency-Key': 'running' }
    const asking = callAs(alice, 'sendMessage', headers, { message: 'Hi' })
    const turn = await engine.next()
    const refused = await callAs(alice, 'sendMessage', headers, { message: 'Hi' })
    expect([refused.status, refused.code]).toEqual([409, 'idempotency-in-progress'])
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    expect(refused.headers).not.toHaveProperty('idempotency-replayed')

    turn.end()
    expect((await asking).status).toBe(200)
  })

  test('POST /chat/stream joins it from the first event on, before and after it has begun', async () => {
    const alice = await held.createUser()
    const headers = { 'Idempotency-Key': 'running' }
    const open = () => openStream(alice, { message: 'Hi' }, headers)
    const opening = [open()]
    const turn = await engine.next()
    opening.push(open())
    turn.say('Hello')
    opening.push(open())
    const streams = await advanceUntilSettled([held.clock], Promise.all(opening))
    turn.say(' there')
    turn.end()
    const all = await Promise.all(streams.map((stream) => stream.rest()))
    expect(textOf(all[0]!)).toBe('Hello there')
    expect(all[1]).toEqual(all[0])
    expect(all[2]).toEqual(all[0])

    const replayed = streams.map((stream) => stream.headers.get('idempotency-replayed'))
    expect(replayed).toEqual([null, 'true', 'true'])
  })

  test('an engine that fails before its first word leaves the key free, for all who joined', async () => {
    const alice = await held.createUser()
    const headers = { 'Idempotency-Key': 'failing' }
    const call = () => callAs(alice, 'streamMessage', headers, { message: 'Hi' })
    const one = call()
    const turn = await engine.next()
    const joining = vi.spyOn(held.parley.services.generations, 'attach')
    const two = call()
    await until(() => joining.mock.calls.length === 1)
    turn.fail(new EngineFailure('upstream-failed', ''))
    const answers = await advanceUntilSettled([held.clock], Promise.all([one, two]))
    expect(answers.map(({ code }) => code)).toEqual(['upstream-failed', 'upstream-failed'])
    for (const answer of answers) expect(answer.headers).not.toHaveProperty('idempotency-replayed')

    await held.clock.advance(60_000)
    const again = openStream(alice, { message: 'Something else' }, headers)
    ;(await engine.next()).end()
    expect((await again).status).toBe(200)
  })
})
