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

/** Returns the message in a response of POST /chat. */
function messageOf(text: string): { id: string; status: string; content: string } {
  return (JSON.parse(text) as { message: { id: string; status: string; content: string } }).message
}

type FailingStore = {
  /** Each hangs or fails where the process is supposed to die. */
  start?: Store['generations']['start']
  keep?: Store['idempotencyKeys']['keep']
  renew?: Store['idempotencyKeys']['renew']
}

describe('a retry when the process of the first call fails', () => {
  /** Starts two servers with a clock each: one can stand still as if its process had died. */
  async function startFailing(failingOf: (store: Store) => FailingStore) {
    const engine = createManualEngine()
    const clocks = [new TestClock(), new TestClock()]
    const instances = await startInstances((store) => {
      const { start, ...keyOperations } = failingOf(store)
      const failing = {
        ...store,
        generations: { ...store.generations, ...(start && { start }) },
        idempotencyKeys: { ...store.idempotencyKeys, ...keyOperations },
      }
      return [
        { clock: clocks[0]!, replacements: { deps: { engine, store: failing } } },
        { clock: clocks[1]!, replacements: { deps: { engine } } },
      ]
    })
    cleanups.push(() => instances.close())
    const [first, second] = instances.servers as [TestServer, TestServer]
    const alice = await first.createUser()
    const aliceOnSecond = instances.on(second, alice)
    const headers = { 'Idempotency-Key': 'dying' }
    const call = (client: Client, operationId: OperationId = 'sendMessage') =>
      callAs(client, operationId, headers, { message: 'Hi' })
    const { generation } = instances.testStore.database.prisma
    const countGenerations = () => generation.count()
    /** Returns whether the lease of the only generation was renewed recently. */
    const isRenewed = async () => {
      const { leaseUntil } = await generation.findFirstOrThrow()
      return leaseUntil.getTime() > first.clock.now().getTime() + 15_000
    }
    const countKeys = () => instances.testStore.database.prisma.idempotencyKey.count()
    return {
      engine,
      first,
      second,
      alice,
      aliceOnSecond,
      call,
      countGenerations,
      isRenewed,
      countKeys,
    }
  }

  test('performs a call that had not begun, once, after its lease expires', async () => {
    const gate = createDeferred<undefined>()
    const { engine, second, alice, aliceOnSecond, call, countGenerations, countKeys } =
      await startFailing((store) => ({
        start: (generation) => gate.promise.then(() => store.generations.start(generation)),
      }))
    const firstCall = call(alice)
    await until(async () => (await countKeys()) === 1)
    expect((await call(aliceOnSecond)).code).toBe('idempotency-in-progress')

    await second.clock.advance(20_000)
    const takenOver = call(aliceOnSecond)
    const turn = await engine.next()
    turn.say('Hello')
    // If the first process is still alive, it finds that its call was taken over.
    gate.resolve(undefined)
    expect((await firstCall).code).toBe('idempotency-in-progress')

    turn.end()
    const answer = await takenOver

    expect(messageOf(answer.text)).toMatchObject({ content: 'Hello', status: 'complete' })
    expect(answer.headers).not.toHaveProperty('idempotency-replayed')
    for (const client of [alice, aliceOnSecond]) expect((await call(client)).text).toBe(answer.text)
    expect([await countGenerations(), engine.turns.length]).toEqual([1, 1])
  })

  test.each(['sendMessage', 'streamMessage'] as const)(
    'lets %s return the interrupted answer within 30 s',
    async (operationId) => {
      const { engine, second, alice, aliceOnSecond, call, countGenerations } = await startFailing(
        () => ({}),
      )
      const firstCall = call(alice, operationId)
      ;(await engine.next()).say('Half')
      await until(async () => (await countGenerations()) === 1)

      await advanceWithPings(second.clock, second.parley.deps.store, 30_000)
      const answer = await advanceUntilSettled([second.clock], call(aliceOnSecond, operationId))

      expect(answer.status).toBe(200)
      expect(answer.headers['idempotency-replayed']).toBe('true')
      expect(answer.text).toContain('"status":"interrupted"')

      const repeated = await call(aliceOnSecond, operationId)
      if (operationId === 'sendMessage') expect(repeated.text).toBe(answer.text)
      expect([await countGenerations(), engine.turns.length]).toEqual([1, 1])

      engine.turns[0]!.end()
      await firstCall
    },
  )

  test('returns the same answer when the response was not stored yet', async () => {
    const gate = createDeferred<undefined>()
    const { engine, second, alice, aliceOnSecond, call, countGenerations } = await startFailing(
      (store) => ({
        keep: (answer) => gate.promise.then(() => store.idempotencyKeys.keep(answer)),
      }),
    )
    const firstCall = call(alice)
    const turn = await engine.next()
    turn.say('Hello')
    turn.end()
    await until(async () => {
      const { body } = await aliceOnSecond.expect(200, 'listConversations')
      return body.data.length > 0
    })

    await second.clock.advance(20_000)
    const answer = await advanceUntilSettled([second.clock], call(aliceOnSecond))

    expect(messageOf(answer.text)).toMatchObject({ content: 'Hello', status: 'complete' })
    expect(answer.headers['idempotency-replayed']).toBe('true')

    gate.resolve(undefined)
    expect((await firstCall).text).toBe(answer.text)
    expect([await countGenerations(), engine.turns.length]).toEqual([1, 1])
  })

  test('keeps the key claimed while the generation is alive, although the key was not renewed', async () => {
    const failing = await startFailing(() => ({ renew: () => Promise.resolve() }))
    const { engine, first, second, alice, aliceOnSecond, call, countGenerations, isRenewed } =
      failing
    const firstCall = call(alice)
    const turn = await engine.next()
    turn.say('Hel')
    await until(async () => (await countGenerations()) === 1)

    // The lease of the generation is renewed, that of the key is not.
    for (let elapsed = 0; elapsed < 25; elapsed += 1) {
      await first.clock.advance(1_000)
      await until(isRenewed)
      await second.clock.advance(1_000)
    }
    for (let i = 0; i < 2; i += 1) {
      expect((await call(aliceOnSecond)).code).toBe('idempotency-in-progress')
    }
    turn.say('lo')
    turn.end()
    const answer = await firstCall

    expect(messageOf(answer.text).content).toBe('Hello')
    expect((await call(aliceOnSecond)).text).toBe(answer.text)
    expect([await countGenerations(), engine.turns.length]).toEqual([1, 1])
  })

  test('returns the one answer when the database was unavailable at its end', async () => {
    let isUnavailable = true
    const { engine, first, alice, call, countGenerations } = await startFailing((store) => ({
      keep: (answer) =>
        isUnavailable
          ? Promise.reject(new DatabaseUnavailable('unavailable'))
          : store.idempotencyKeys.keep(answer),
    }))
    const firstCall = call(alice)
    const turn = await engine.next()
    turn.say('Hello')
    turn.end()
    expect((await advanceUntilSettled([first.clock], firstCall)).code).toBe('unavailable')

    isUnavailable = false
    const answer = await until(async () => {
      await first.clock.advance(5_000)
      const repeated = await call(alice)
      return repeated.status === 200 && repeated
    })

    expect(messageOf(answer.text).content).toBe('Hello')
    expect([await countGenerations(), engine.turns.length]).toEqual([1, 1])
  })

  test('returns the stored part of the answer after kill -9', async () => {
    const workplace = await openWorkplace()
    cleanups.push(() => workplace.close())
    const upstream = await startUpstream({ words: ['one ', 'two'], stallAfter: 1 })
    cleanups.push(() => upstream.close())
    const env = { CHAT_UPSTREAM_URL: upstream.url }
    const killed = await workplace.start(env)
    const alice = await killed.logIn()
    const headers = { 'Idempotency-Key': 'killed' }
    const body = { message: 'Count' }
    const whole = callAs(alice, 'sendMessage', headers, body).catch(() => 'lost')
    await upstream.completion(1)
    const stream = await openStream(alice, body, headers)
    await stream.next()

    killed.signal('SIGKILL')
    expect(await whole).toBe('lost')
    await stream.rest().catch(() => undefined)
    const restarted = await workplace.start(env)
    const client = createClient(restarted.url, alice.identity)

    const response = await callAs(client, 'sendMessage', headers, body)
    expect(messageOf(response.text).status).toBe('interrupted')
    expect((await callAs(client, 'sendMessage', headers, body)).text).toBe(response.text)

    const events = await (await openStream(client, body, headers)).rest()
    expect(events.at(-1)!.event).toMatchObject({
      type: 'message.error',
      message: { status: 'interrupted' },
    })
    expect(upstream.completions).toHaveLength(2)
  }, 120_000)
})
