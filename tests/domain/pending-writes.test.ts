import { expect, test, vi } from 'vitest'
import { PendingWrites } from '../../src/domain/chat/pending-writes.ts'
import { DatabaseUnavailable } from '../../src/store/store.ts'
import { TestClock } from '../support/clock/clock.ts'

const MINUTE_MS = 60_000
/** How long something is tried for which there is no room. */
const SOME_SECONDS_MS = 8_000

function given(mostBytes?: number) {
  const clock = new TestClock()
  const warn = vi.fn<(text: string) => void>()
  const database = { isUnavailable: true }
  const pendingWrites = new PendingWrites({ clock, log: { warn } as never }, mostBytes)
  const write = (bytes: number, value: string) => {
    const attempt = () =>
      database.isUnavailable
        ? Promise.reject(new DatabaseUnavailable('away'))
        : Promise.resolve(value)
    return pendingWrites.persist(attempt, { bytes })
  }
  return { clock, warn, database, pendingWrites, write }
}

test('what waits is written when the database is back, hours later too', async () => {
  const { clock, database, write, warn } = given()
  const all = Promise.all([write(1_000, 'one'), write(1_000, 'two')])
  await clock.advance(180 * MINUTE_MS)
  database.isUnavailable = false

  await clock.advance(5_000)

  expect(await all).toEqual(['one', 'two'])
  expect(clock.pending).toBe(0)
  // An operator is told of it once, not once for each try.
  expect(warn).toHaveBeenCalledTimes(2)
})

test('what there is no room for is given up after some seconds, and takes none from the others', async () => {
  const { clock, database, write } = given(2_500)
  const waiting = Promise.all([write(1_000, 'one'), write(1_000, 'two')])
  const beyond = expect(write(1_000, 'three')).rejects.toBeInstanceOf(DatabaseUnavailable)
  const small = write(400, 'four')
  await clock.advance(SOME_SECONDS_MS)
  await beyond
  await clock.advance(MINUTE_MS)
  database.isUnavailable = false

  await clock.advance(5_000)

  expect(await waiting).toEqual(['one', 'two'])
  expect(await small).toBe('four')
})

test('once the process is to end, what waits is tried once more at once, and the rest for some seconds', async () => {
  const { clock, pendingWrites, write } = given()
  const waiting = expect(write(1_000, 'one')).rejects.toBeInstanceOf(DatabaseUnavailable)
  await clock.advance(MINUTE_MS)
  pendingWrites.close()
  await clock.advance(0)
  await waiting
  const late = expect(write(1_000, 'two')).rejects.toBeInstanceOf(DatabaseUnavailable)
  await clock.advance(SOME_SECONDS_MS)

  await late

  expect(clock.pending).toBe(0)
})

test('what fails for another reason is not tried again', async () => {
  const { pendingWrites } = given()
  const attempt = vi.fn(() => Promise.reject(new Error('a mistake')))

  await expect(pendingWrites.persist(attempt, { bytes: 1 })).rejects.toThrow('a mistake')
  expect(attempt).toHaveBeenCalledTimes(1)
})
