import { describe, expect, test } from 'vitest'
import { createAgreedClock } from '../../src/ports/clock/agreed-clock.ts'
import { TestClock } from '../support/clock/clock.ts'

const APART_MS = 20_000

describe('AgreedClock', () => {
  const own = new TestClock()
  const shownBy = (aheadMs: number) => async () => new Date(own.now().getTime() + aheadMs)

  test('follows the other clock only when they are more than a second apart', async () => {
    const agreed = createAgreedClock(own)
    await agreed.setBy(shownBy(1_000))
    expect(agreed.now()).toEqual(own.now())

    await agreed.setBy(shownBy(-1_001))
    expect(agreed.now()).toEqual(await shownBy(-1_001)())
  })

  test('ignores a time that took more than a second to arrive', async () => {
    const agreed = createAgreedClock(own)

    await agreed.setBy(async () => {
      await own.advance(1_001)
      return shownBy(APART_MS)()
    })

    expect(agreed.now()).toEqual(own.now())
  })
})
