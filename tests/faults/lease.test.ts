import { describe, expect, test } from 'vitest'
import { createDeferred } from '../../src/lib/deferred.ts'
import { DatabaseUnavailable } from '../../src/store/store.ts'
import { openManualStream } from '../support/upstream/manual-engine.ts'
import { until } from '../support/clock/until.ts'
import {
  LEASE_MS,
  SWEEP_MS,
  engine,
  saveProgress,
  untilSaved,
  server,
  setSaveProgress,
  startSecondInstance,
  storedGeneration,
  testStore,
} from './lease.given.ts'

/** Advances the clock until the lease has its full length. */
function untilRenewed(row: ReturnType<typeof storedGeneration>) {
  return until(async () => {
    await server.clock.advance(1_000)
    const leaseUntil = (await row.generation())?.leaseUntil.getTime()
    return leaseUntil === server.clock.now().getTime() + LEASE_MS
  })
}

describe('an answer in progress', () => {
  test('has its text saved as it arrives, but not shown before its end', async () => {
    const alice = await server.createUser()
    const { turn, stream, start } = await openManualStream(engine, alice)
    const row = storedGeneration(alice, start)
    expect(await row.text()).toBe('')

    await untilSaved(row, 'Hello')
    turn.say(' there')
    await stream.next()
    await untilSaved(row, 'Hello there')

    const path = { conversationId: start.conversationId }
    const { body } = await alice.expect(200, 'getConversation', { path })
    expect(body.messages[1]).toMatchObject({ status: 'inProgress', content: '' })

    turn.end()
    await stream.rest()
  })

  test('has its lease renewed even without more text', async () => {
    const alice = await server.createUser()
    const { turn, stream, start } = await openManualStream(engine, alice)

    for (let renewals = 0; renewals < 3; renewals += 1) {
      await untilRenewed(storedGeneration(alice, start))
    }

    turn.end()
    await stream.rest()
  })

  test('has its text saved at the next attempt when one fails, without delaying other answers', async () => {
    const alice = await server.createUser()
    const failing = await openManualStream(engine, alice)
    const fine = await openManualStream(engine, alice)
    let failures = 0
    setSaveProgress(async (progress) => {
      if (progress.generationId === failing.start.generationId && failures === 0) {
        failures += 1
        throw new DatabaseUnavailable('unreachable')
      }
      return testStore.store.generations.saveProgress(progress)
    })

    await server.clock.advance(500)

    await until(async () => (await storedGeneration(alice, fine.start).text()) === 'Hello')
    expect(await storedGeneration(alice, failing.start).text()).toBe('')

    await untilSaved(storedGeneration(alice, failing.start), 'Hello')
    for (const { turn, stream } of [failing, fine]) {
      turn.end()
      expect((await stream.rest()).at(-1)!.name).toBe('message.end')
    }
  })

  test('ends normally when a save of its text comes after its end', async () => {
    const alice = await server.createUser()
    const { turn, stream } = await openManualStream(engine, alice)
    const [saveBegun, saveReleased] = [createDeferred<undefined>(), createDeferred<undefined>()]
    let saved: ReturnType<typeof saveProgress> | undefined
    setSaveProgress(async (progress) => {
      saveBegun.resolve(undefined)
      await saveReleased.promise
      saved = testStore.store.generations.saveProgress(progress)
      return saved
    })
    await server.clock.advance(500)
    await saveBegun.promise

    turn.end()

    expect((await stream.rest()).at(-1)!.name).toBe('message.end')

    saveReleased.resolve(undefined)
    await until(() => Promise.resolve(saved !== undefined))
    expect(await saved).toBe('gone')

    await server.clock.advance(500)
    expect(turn.signal.aborted).toBe(false)
  })

  test('is not interrupted by another instance while its lease is renewed', async () => {
    const alice = await server.createUser()
    const { turn, stream, start } = await openManualStream(engine, alice)
    const second = await startSecondInstance(0)
    const end = server.clock.now().getTime() + 2 * LEASE_MS
    while (server.clock.now().getTime() < end) {
      await untilRenewed(storedGeneration(alice, start))
      const behindMs = server.clock.now().getTime() - second.clock.now().getTime()
      await second.clock.advance(behindMs)
    }

    turn.end()

    expect((await stream.rest()).at(-1)!.name).toBe('message.end')

    await second.close()
  })
})

test('an instance that was suspended beyond its leases does not interrupt its own answers', async () => {
  const alice = await server.createUser()
  const { turn, stream } = await openManualStream(engine, alice)
  setSaveProgress(() => Promise.reject(new DatabaseUnavailable('asleep')))
  await server.clock.advance(LEASE_MS + SWEEP_MS)
  setSaveProgress(testStore.store.generations.saveProgress)

  turn.end()

  expect((await stream.rest()).map(({ name }) => name)).toEqual(['message.end'])
})
