import { describe, expect, test } from 'vitest'
import { createDeferred } from '../../src/lib/deferred.ts'
import type { OperationId } from '../../src/contract/types.ts'
import { DatabaseUnavailable, type Store } from '../../src/store/store.ts'
import { createClient, type Client } from '../support/client.ts'
import { TestClock } from '../support/clock/clock.ts'
import { createManualEngine } from '../support/upstream/manual-engine.ts'
import { startInstances } from '../support/process/instances.ts'
import { advanceWithPings, advanceUntilSettled } from '../support/clock/passing-time.ts'
import { openWorkplace } from '../support/process/process.ts'
import type { TestServer } from '../support/server.ts'
import { openStream } from '../support/wire/stream.ts'
import { until } from '../support/clock/until.ts'
import { startUpstream } from '../support/upstream/upstream.ts'
import { callAs, cleanups } from './idempotency.given.ts'

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
        { clock: clocks[0]!, replacements: { deps: { engine, store: dying } } },
        { clock: clocks[1]!, replacements: { deps: { engine } } },
      ]
    })
    cleanups.push(() => all.close())
    const [first, second] = all.servers as [TestServer, TestServer]
    const alice = await first.createUser()
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
      await advanceWithPings(second.clock, second.parley.deps.store, 30_000)
      const answer = await advanceUntilSettled([second.clock], ask(there, operationId))
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
    const answer = await advanceUntilSettled([second.clock], ask(there))
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
    expect((await advanceUntilSettled([first.clock], asking)).code).toBe('unavailable')

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
