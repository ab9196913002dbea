import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { createDeferred } from '../../src/lib/deferred.ts'
import type { OperationId } from '../../src/contract/types.ts'
import { EngineFailure } from '../../src/engine/engine.ts'
import { DatabaseUnavailable, type Store } from '../../src/store/store.ts'
import { createClient, type Client } from '../support/client.ts'
import { TestClock } from '../support/clock/clock.ts'
import { exampleBody, policies } from '../support/contract/contract.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { createManualEngine } from '../support/upstream/manual-engine.ts'
import { startInstances } from '../support/process/instances.ts'
import { DAY_MS, JumpingClock, MINUTE_MS } from '../support/clock/jumping-clock.ts'
import { everythingIn } from '../support/contract/operations.ts'
import { passInSight, whileTimePasses } from '../support/clock/passing-time.ts'
import { openWorkplace } from '../support/process/process.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { openStream, textOf } from '../support/wire/stream.ts'
import { until } from '../support/clock/until.ts'
import { startUpstream } from '../support/upstream/upstream.ts'
import { send } from '../support/wire/wire.ts'

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
const cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const cleanUp of cleanups.splice(0).reverse()) await cleanUp()
})

/** Sends a call as it is, whatever it answers. */
async function callAs(client: Client, operationId: OperationId, headers: object, body: unknown) {
  const answer = await send(client.urlOf(operationId), {
    method: 'POST',
    headers: { ...client.credentials, 'Content-Type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
  return { ...answer, code: codeOf(answer.text) }
}

function codeOf(text: string): string | undefined {
  return /"code":"([a-z-]+)"/.exec(text)?.[1]
}

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
    const alice = await server.newUser()
    const body = await bodyFor(alice, operationId)
    const key = randomUUID()
    return { alice, body, key, headers: { 'Idempotency-Key': key } }
  }

  test('answers the same again, writes nothing and costs nothing', async () => {
    const { alice, body, key, headers } = await givenCall()
    const first = await callAs(alice, operationId, headers, body)
    expect(first.status).toBeLessThan(300)
    expect(first.headers).not.toHaveProperty('idempotency-replayed')
    const written = await everythingIn(testStore.database)
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
    expect(await everythingIn(testStore.database)).toBe(written)
  })

  test('answers the same although the limits are spent, and refuses what is new', async () => {
    const env = { RATE_LIMIT_USER: '4/60', RATE_LIMIT_CHAT: '4/60' }
    const limited = await startServer({ env })
    cleanups.push(() => limited.close())
    const alice = await limited.newUser()
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
    const bob = await server.newUser()
    const other = await callAs(bob, operationId, headers, await bodyFor(bob, operationId))
    expect(other.status).toBe(first.status)
    expect(other.headers).not.toHaveProperty('idempotency-replayed')
    expect(other.text).not.toBe(first.text)
  })

  test('is done once of 100 at once', async () => {
    const { alice, body, headers } = await givenCall()
    const calls = Array.from({ length: AT_ONCE }, () => callAs(alice, operationId, headers, body))
    const answers = await whileTimePasses([server.clock], Promise.all(calls))
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
    const written = await everythingIn(testStore.database)
    const answer = await callAs(alice, operationId, { 'Idempotency-Key': key }, body)
    expect([answer.status, answer.code]).toEqual([400, 'invalid-request'])
    expect(answer.problem().errors![0]!.in).toBe('header')
    expect(await everythingIn(testStore.database)).toBe(written)
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
  const alice = await server.newUser()
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
  const alice = await aging.newUser()
  const ask = async () => {
    const { body } = await aging.anybody.expect(200, 'logIn', { body: credentials })
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
    held = await startServer({ env, testStore: ownStore, instead: { deps: { engine } } })
  })
  afterAll(async () => {
    await held.close()
    await ownStore.close()
  })

  test('POST /chat is refused with Retry-After, limits spent or not', async () => {
    const alice = await held.newUser()
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
    const alice = await held.newUser()
    const headers = { 'Idempotency-Key': 'running' }
    const open = () => openStream(alice, { message: 'Hi' }, headers)
    const opening = [open()]
    const turn = await engine.next()
    opening.push(open())
    turn.say('Hello')
    opening.push(open())
    const streams = await whileTimePasses([held.clock], Promise.all(opening))
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
    const alice = await held.newUser()
    const headers = { 'Idempotency-Key': 'failing' }
    const call = () => callAs(alice, 'streamMessage', headers, { message: 'Hi' })
    const one = call()
    const turn = await engine.next()
    const joining = vi.spyOn(held.parley.services.generations, 'attach')
    const two = call()
    await until(() => joining.mock.calls.length === 1)
    turn.fail(new EngineFailure('upstream-failed', ''))
    const answers = await whileTimePasses([held.clock], Promise.all([one, two]))
    expect(answers.map(({ code }) => code)).toEqual(['upstream-failed', 'upstream-failed'])
    for (const answer of answers) expect(answer.headers).not.toHaveProperty('idempotency-replayed')
    await held.clock.advance(60_000)
    const again = openStream(alice, { message: 'Something else' }, headers)
    ;(await engine.next()).end()
    expect((await again).status).toBe(200)
  })
})

/** The message of an answer to POST /chat. */
function messageIn(text: string): { id: string; status: string; content: string } {
  return (JSON.parse(text) as { message: { id: string; status: string; content: string } }).message
}

type Dying = {
  /** Never returns, or fails, where the test wants its process to be gone. */
  start?: Store['generations']['start']
  keep?: Store['idempotencyKeys']['keep']
  renew?: Store['idempotencyKeys']['renew']
}

describe('when the first call’s process is gone', () => {
  /** Two servers with clocks of their own, so that one of them can stand still as if it were dead. */
  async function startDying(dyingOf: (store: Store) => Dying) {
    const engine = createManualEngine()
    const clocks = [new TestClock(), new TestClock()]
    const all = await startInstances((store) => {
      const { start, ...keys } = dyingOf(store)
      const dying = {
        ...store,
        generations: { ...store.generations, ...(start && { start }) },
        idempotencyKeys: { ...store.idempotencyKeys, ...keys },
      }
      return [
        { clock: clocks[0]!, instead: { deps: { engine, store: dying } } },
        { clock: clocks[1]!, instead: { deps: { engine } } },
      ]
    })
    cleanups.push(() => all.close())
    const [first, second] = all.servers as [TestServer, TestServer]
    const alice = await first.newUser()
    const there = all.on(second, alice)
    const headers = { 'Idempotency-Key': 'dying' }
    const ask = (client: Client, operationId: OperationId = 'sendMessage') =>
      callAs(client, operationId, headers, { message: 'Hi' })
    const { generation } = all.testStore.database.prisma
    const count = () => generation.count()
    /** Whether the one generation that there is has been renewed of late. */
    const isRenewed = async () => {
      const { leaseUntil } = await generation.findFirstOrThrow()
      return leaseUntil.getTime() > first.clock.now().getTime() + 15_000
    }
    const keys = () => all.testStore.database.prisma.idempotencyKey.count()
    return { engine, first, second, alice, there, ask, count, isRenewed, keys }
  }

  test('before it had begun, another server does it, once, when the lease is over', async () => {
    const gate = createDeferred<undefined>()
    const { engine, second, alice, there, ask, count, keys } = await startDying((store) => ({
      start: (generation) => gate.promise.then(() => store.generations.start(generation)),
    }))
    const lost = ask(alice)
    await until(async () => (await keys()) === 1)
    expect((await ask(there)).code).toBe('idempotency-in-progress')
    await second.clock.advance(20_000)
    const taken = ask(there)
    const turn = await engine.next()
    turn.say('Hello')
    // Should the first one live after all, it finds that it is being done.
    gate.resolve(undefined)
    expect((await lost).code).toBe('idempotency-in-progress')
    turn.end()
    const answer = await taken
    expect(messageIn(answer.text)).toMatchObject({ content: 'Hello', status: 'complete' })
    expect(answer.headers).not.toHaveProperty('idempotency-replayed')
    for (const client of [alice, there]) expect((await ask(client)).text).toBe(answer.text)
    expect([await count(), engine.turns.length]).toEqual([1, 1])
  })

  test.each(['sendMessage', 'streamMessage'] as const)(
    'in the middle of its answer, %s answers it as it is, interrupted, within 30 s',
    async (operationId) => {
      const { engine, second, alice, there, ask, count } = await startDying(() => ({}))
      const lost = ask(alice, operationId)
      ;(await engine.next()).say('Half')
      await until(async () => (await count()) === 1)
      await passInSight(second.clock, second.parley.deps.store, 30_000)
      const answer = await whileTimePasses([second.clock], ask(there, operationId))
      expect(answer.status).toBe(200)
      expect(answer.headers['idempotency-replayed']).toBe('true')
      expect(answer.text).toContain('"status":"interrupted"')
      const again = await ask(there, operationId)
      if (operationId === 'sendMessage') expect(again.text).toBe(answer.text)
      expect([await count(), engine.turns.length]).toEqual([1, 1])
      engine.turns[0]!.end()
      await lost
    },
  )

  test('after its end and before its answer was kept, another server answers the same', async () => {
    const gate = createDeferred<undefined>()
    const { engine, second, alice, there, ask, count } = await startDying((store) => ({
      keep: (answer) => gate.promise.then(() => store.idempotencyKeys.keep(answer)),
    }))
    const lost = ask(alice)
    const turn = await engine.next()
    turn.say('Hello')
    turn.end()
    await until(async () => {
      const { body } = await there.expect(200, 'listConversations')
      return body.data.length > 0
    })
    await second.clock.advance(20_000)
    const answer = await whileTimePasses([second.clock], ask(there))
    expect(messageIn(answer.text)).toMatchObject({ content: 'Hello', status: 'complete' })
    expect(answer.headers['idempotency-replayed']).toBe('true')
    gate.resolve(undefined)
    expect((await lost).text).toBe(answer.text)
    expect([await count(), engine.turns.length]).toEqual([1, 1])
  })

  test('in name only, and it goes on, the key is neither freed nor done twice', async () => {
    const dying = await startDying(() => ({ renew: () => Promise.resolve() }))
    const { engine, first, second, alice, there, ask, count, isRenewed } = dying
    const asking = ask(alice)
    const turn = await engine.next()
    turn.say('Hel')
    await until(async () => (await count()) === 1)
    // The generation's own lease is renewed; that of the key is not.
    for (let elapsed = 0; elapsed < 25; elapsed += 1) {
      await first.clock.advance(1_000)
      await until(isRenewed)
      await second.clock.advance(1_000)
    }
    for (let i = 0; i < 2; i += 1) expect((await ask(there)).code).toBe('idempotency-in-progress')
    turn.say('lo')
    turn.end()
    const answer = await asking
    expect(messageIn(answer.text).content).toBe('Hello')
    expect((await ask(there)).text).toBe(answer.text)
    expect([await count(), engine.turns.length]).toEqual([1, 1])
  })

  test('because its database was away when it had the answer, nothing is done twice', async () => {
    let isUnavailable = true
    const { engine, first, alice, ask, count } = await startDying((store) => ({
      keep: (answer) =>
        isUnavailable
          ? Promise.reject(new DatabaseUnavailable('away'))
          : store.idempotencyKeys.keep(answer),
    }))
    const asking = ask(alice)
    const turn = await engine.next()
    turn.say('Hello')
    turn.end()
    expect((await whileTimePasses([first.clock], asking)).code).toBe('unavailable')
    isUnavailable = false
    const answer = await until(async () => {
      await first.clock.advance(5_000)
      const again = await ask(alice)
      return again.status === 200 && again
    })
    expect(messageIn(answer.text).content).toBe('Hello')
    expect([await count(), engine.turns.length]).toEqual([1, 1])
  })

  test('by kill -9 in the middle of an answer, the same key answers what was kept of it', async () => {
    const workplace = await openWorkplace()
    cleanups.push(() => workplace.close())
    const upstream = await startUpstream({ words: ['one ', 'two'], stallAfter: 1 })
    cleanups.push(() => upstream.close())
    const env = { CHAT_UPSTREAM_URL: upstream.url }
    const dying = await workplace.start(env)
    const alice = await dying.logIn()
    const headers = { 'Idempotency-Key': 'killed' }
    const body = { message: 'Count' }
    const whole = callAs(alice, 'sendMessage', headers, body).catch(() => 'lost')
    await upstream.completion(1)
    const stream = await openStream(alice, body, headers)
    await stream.next()
    dying.signal('SIGKILL')
    expect(await whole).toBe('lost')
    await stream.rest().catch(() => undefined)
    const again = await workplace.start(env)
    const client = createClient(again.url, alice.identity)
    const told = await callAs(client, 'sendMessage', headers, body)
    expect(messageIn(told.text).status).toBe('interrupted')
    expect((await callAs(client, 'sendMessage', headers, body)).text).toBe(told.text)
    const events = await (await openStream(client, body, headers)).rest()
    expect(events.at(-1)!.event).toMatchObject({
      type: 'message.error',
      message: { status: 'interrupted' },
    })
    expect(upstream.completions).toHaveLength(2)
  }, 120_000)
})
