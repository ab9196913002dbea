import { describe, expect, test } from 'vitest'
import type { Counter } from '../../src/ports/limiter/limiter.ts'
import { MemoryLimiter } from '../../src/ports/limiter/memory.ts'
import { TestClock } from '../support/clock/clock.ts'
import { getRemaining } from './stores.given.ts'

describe('limits in memory', () => {
  test('are kept for a bounded number of subjects; those whose window ends first are dropped', async () => {
    const clock = new TestClock()
    const limiter = new MemoryLimiter(clock, 100)
    const counterOf = (name: string, subject: number): Counter => ({
      name,
      subject: String(subject),
      quota: 5,
      windowSeconds: 60,
    })
    await limiter.take([counterOf('user', 0)])

    for (let i = 0; i < 1_000; i += 1) await limiter.take([counterOf('anonymous', i)])

    expect(
      await getRemaining(limiter, counterOf('anonymous', 899), counterOf('anonymous', 900)),
    ).toEqual([5, 4])
    expect(await getRemaining(limiter, counterOf('anonymous', 999), counterOf('user', 0))).toEqual([
      4, 4,
    ])
  })

  test('take a bounded number of windows, and drop all that have ended', async () => {
    const clock = new TestClock()
    const limiter = new MemoryLimiter(clock, 100)
    const counterOf = (subject: string): Counter => ({
      name: 'anonymous',
      subject,
      quota: 5,
      windowSeconds: 60,
    })

    for (let i = 0; i < 1_000; i += 1) await limiter.take([counterOf(`early ${i}`)])

    expect(limiter.size).toBe(100)

    await clock.advance(30_000)
    for (let i = 0; i < 40; i += 1) await limiter.take([counterOf(`late ${i}`)])
    expect(limiter.size).toBe(100)

    await clock.advance(30_000)
    await limiter.take([counterOf('last')])
    expect(limiter.size).toBe(41)
    expect(await getRemaining(limiter, counterOf('late 0'))).toEqual([4])
    expect(await limiter.take([counterOf('early 0')])).toMatchObject([{ remaining: 4 }])
  })
})
