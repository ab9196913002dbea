import { describe, expect, test } from 'vitest'
import { TestClock } from '../support/clock/clock.ts'
import { startServer } from '../support/server.ts'
import {
  FEED_MS,
  advance,
  at,
  cases,
  outcomeOf,
  untilOutcome,
  here,
  testStore,
  there,
} from './two-instances.given.ts'

describe.each(cases)('$name', ({ prepare, code, operationId = 'listConversations' }) => {
  test('is refused at once by the instance that made the change, and two seconds later by the other', async () => {
    const { caller, act } = await prepare()
    const elsewhere = at(there, caller)
    expect(await outcomeOf(elsewhere, operationId)).toBe(200)
    expect(await outcomeOf(caller, operationId)).toBe(200)

    await advance(1)
    expect(await outcomeOf(elsewhere, operationId)).toBe(200)
    expect(await outcomeOf(caller, operationId)).toBe(200)

    await act()
    expect(await outcomeOf(caller, operationId)).toBe(code)

    await advance(FEED_MS)
    await untilOutcome(elsewhere, operationId, code)
    // The refusal lasts.
    await advance(FEED_MS)
    expect(await outcomeOf(elsewhere, operationId)).toBe(code)
    expect(await outcomeOf(caller, operationId)).toBe(code)
  })

  test('is refused by an instance that starts afterwards', async () => {
    const { caller, act } = await prepare()

    await act()
    const later = await startServer({ testStore, clock: new TestClock(here.clock.now()) })

    expect(await outcomeOf(at(later, caller), operationId)).toBe(code)

    await later.close()
  })
})
