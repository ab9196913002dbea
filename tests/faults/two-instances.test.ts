import { describe, expect, test } from 'vitest'
import { TestClock } from '../support/clock/clock.ts'
import { startServer } from '../support/server.ts'
import {
  LOOK_MS,
  advance,
  at,
  cases,
  heard,
  hears,
  here,
  testStore,
  there,
} from './two-instances.given.ts'

describe.each(cases)('$name', ({ prepare, code, asks = 'listConversations' }) => {
  test('is refused at once where it was done, and two seconds later elsewhere', async () => {
    const { victim, act } = await prepare()
    const elsewhere = at(there, victim)
    expect(await heard(elsewhere, asks)).toBe(200)
    expect(await heard(victim, asks)).toBe(200)

    await advance(1)
    expect(await heard(elsewhere, asks)).toBe(200)
    expect(await heard(victim, asks)).toBe(200)

    await act()
    expect(await heard(victim, asks)).toBe(code)

    await advance(LOOK_MS)
    await hears(elsewhere, asks, code)
    // It stays so.
    await advance(LOOK_MS)
    expect(await heard(elsewhere, asks)).toBe(code)
    expect(await heard(victim, asks)).toBe(code)
  })

  test('is refused by an instance that starts afterwards', async () => {
    const { victim, act } = await prepare()
    await act()
    const later = await startServer({ testStore, clock: new TestClock(here.clock.now()) })
    expect(await heard(at(later, victim), asks)).toBe(code)

    await later.close()
  })
})
