import { expect, test, vi } from 'vitest'
import { PendingWrites } from '../../src/domain/chat/pending-writes.ts'
import { DatabaseUnavailable } from '../../src/store/store.ts'
import { TestClock } from '../support/clock/clock.ts'

const MINUTE_MS = 60_000
/** The time within which a write without room fails. */
const RETRY_MS = 8_000

function createPendingWrites(maxBytes?: number) {
  const clock = new TestClock()
  const warn = vi.fn<(text: string) => void>()
  const database = { isUnavailable: true }
  const pendingWrites = new PendingWrites({ clock, log: { warn } as never }, maxBytes)
  const write = (bytes: number, value: string) => {
    const attempt = () =>
      database.isUnavailable
        ? Promise.reject(new DatabaseUnavailable('unavailable'))
        : Promise.resolve(value)
    return pendingWrites.persist(attempt, { bytes })
  }
  return { clock, warn, database, pendingWrites, write }
}

test('a pending write is written when the database is back, even after hours', async () => {
  const { clock, database, write, warn } = createPendingWrites()
  const all = Promise.all([write(1_000, 'one'), write(1_000, 'two')])
  await clock.advance(180 * MINUTE_MS)
  database.isUnavailable = false

  await clock.advance(5_000)

  expect(await all).toEqual(['one', 'two'])
  expect(clock.pending).toBe(0)
  // One entry when the first write waits, and one when none waits any more.
  expect(warn).toHaveBeenCalledTimes(2)
})

test('a write without room fails within 8 s and takes no room from the others', async () => {
  const { clock, database, write } = createPendingWrites(2_500)
  const waiting = Promise.all([write(1_000, 'one'), write(1_000, 'two')])
  const tooLarge = expect(write(1_000, 'three')).rejects.toBeInstanceOf(DatabaseUnavailable)
  const small = write(400, 'four')
  await clock.advance(RETRY_MS)
  await tooLarge
  await clock.advance(MINUTE_MS)
  database.isUnavailable = false

  await clock.advance(5_000)

  expect(await waiting).toEqual(['one', 'two'])
  expect(await small).toBe('four')
})

test('after close, a pending write gets one more attempt and a new write fails within 8 s', async () => {
  const { clock, pendingWrites, write } = createPendingWrites()
  const waiting = expect(write(1_000, 'one')).rejects.toBeInstanceOf(DatabaseUnavailable)
  await clock.advance(MINUTE_MS)
  pendingWrites.close()
  await clock.advance(0)
  await waiting

  const late = expect(write(1_000, 'two')).rejects.toBeInstanceOf(DatabaseUnavailable)
  await clock.advance(RETRY_MS)
  await late
  expect(clock.pending).toBe(0)
})

test('a write that fails for another reason is not retried', async () => {
  const { pendingWrites } = createPendingWrites()
  const attempt = vi.fn(() => Promise.reject(new Error('a mistake')))

  await expect(pendingWrites.persist(attempt, { bytes: 1 })).rejects.toThrow('a mistake')
  expect(attempt).toHaveBeenCalledTimes(1)
})
