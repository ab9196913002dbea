import { describe, expect, test } from 'vitest'
import { createAgreedClock } from '../../src/ports/clock/agreed-clock.ts'
import { TestClock } from '../support/clock/clock.ts'

const APART_MS = 20_000

describe('a clock that is set by another', () => {
  const own = new TestClock()
  const shownBy = (aheadMs: number) => async () => new Date(own.now().getTime() + aheadMs)

  test('stays as it is when they are no more than a second apart', async () => {
    const agreed = createAgreedClock(own)
    await agreed.setBy(shownBy(1_000))
    expect(agreed.now()).toEqual(own.now())

    await agreed.setBy(shownBy(-1_001))
    expect(agreed.now()).toEqual(await shownBy(-1_001)())
  })

  test('is not set by an answer that was long on its way', async () => {
    const agreed = createAgreedClock(own)

    await agreed.setBy(async () => {
      await own.advance(1_001)
      return shownBy(APART_MS)()
    })

    expect(agreed.now()).toEqual(own.now())
  })
})
