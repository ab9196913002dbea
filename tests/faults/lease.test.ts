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
  savedAs,
  server,
  setSaveProgress,
  startSecond,
  stored,
  testStore,
} from './lease.given.ts'

/** Lets seconds pass until the lease is seen to be as long as can be. */
function renewed(row: ReturnType<typeof stored>) {
  return until(async () => {
    await server.clock.advance(1_000)
    const leaseUntil = (await row.generation())?.leaseUntil.getTime()
    return leaseUntil === server.clock.now().getTime() + LEASE_MS
  })
}

describe('while an answer is made', () => {
  test('its text is saved as it is made, and shown to nobody before its end', async () => {
    const alice = await server.createUser()
    const { turn, stream, start } = await openManualStream(engine, alice)
    const row = stored(alice, start)
    expect(await row.text()).toBe('')

    await savedAs(row, 'Hello')
    turn.say(' there')
    await stream.next()
    await savedAs(row, 'Hello there')
    const path = { conversationId: start.conversationId }
    const { body } = await alice.expect(200, 'getConversation', { path })
    expect(body.messages[1]).toMatchObject({ status: 'inProgress', content: '' })

    turn.end()
    await stream.rest()
  })

  test('its lease is renewed, whether or not there is more text', async () => {
    const alice = await server.createUser()
    const { turn, stream, start } = await openManualStream(engine, alice)
    for (let renewals = 0; renewals < 3; renewals += 1) await renewed(stored(alice, start))
    turn.end()
    await stream.rest()
  })

  test('text that could not be saved is saved at the next turn, and others all the same', async () => {
    const alice = await server.createUser()
    const failing = await openManualStream(engine, alice)
    const fine = await openManualStream(engine, alice)
    let failures = 0
    setSaveProgress(async (progress) => {
      if (progress.generationId === failing.start.generationId && failures === 0) {
        failures += 1
        throw new DatabaseUnavailable('away')
      }
      return testStore.store.generations.saveProgress(progress)
    })
    await server.clock.advance(500)
    await until(async () => (await stored(alice, fine.start).text()) === 'Hello')
    expect(await stored(alice, failing.start).text()).toBe('')

    await savedAs(stored(alice, failing.start), 'Hello')
    for (const { turn, stream } of [failing, fine]) {
      turn.end()
      expect((await stream.rest()).at(-1)!.name).toBe('message.end')
    }
  })

  test('a save that comes after its end does not stop an engine that is done', async () => {
    const alice = await server.createUser()
    const { turn, stream } = await openManualStream(engine, alice)
    const [asked, ended] = [createDeferred<undefined>(), createDeferred<undefined>()]
    let saved: ReturnType<typeof saveProgress> | undefined
    setSaveProgress(async (progress) => {
      asked.resolve(undefined)
      await ended.promise
      saved = testStore.store.generations.saveProgress(progress)
      return saved
    })
    await server.clock.advance(500)
    await asked.promise
    turn.end()
    expect((await stream.rest()).at(-1)!.name).toBe('message.end')

    ended.resolve(undefined)
    await until(() => Promise.resolve(saved !== undefined))
    expect(await saved).toBe('gone')

    await server.clock.advance(500)
    expect(turn.signal.aborted).toBe(false)
  })

  test('another instance leaves it alone for as long as its lease is renewed', async () => {
    const alice = await server.createUser()
    const { turn, stream, start } = await openManualStream(engine, alice)
    const second = await startSecond(0)
    const end = server.clock.now().getTime() + 2 * LEASE_MS
    while (server.clock.now().getTime() < end) {
      await renewed(stored(alice, start))
      const behindMs = server.clock.now().getTime() - second.clock.now().getTime()
      await second.clock.advance(behindMs)
    }
    turn.end()
    expect((await stream.rest()).at(-1)!.name).toBe('message.end')

    await second.close()
  })
})

test('an instance that slept beyond its leases does not take its own answers for dead', async () => {
  const alice = await server.createUser()
  const { turn, stream } = await openManualStream(engine, alice)
  setSaveProgress(() => Promise.reject(new DatabaseUnavailable('asleep')))
  await server.clock.advance(LEASE_MS + SWEEP_MS)
  setSaveProgress(testStore.store.generations.saveProgress)

  turn.end()

  expect((await stream.rest()).map(({ name }) => name)).toEqual(['message.end'])
})
