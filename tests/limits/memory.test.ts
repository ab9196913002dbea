import { describe, expect, test } from 'vitest'
import type { Counter } from '../../src/ports/limiter/limiter.ts'
import { MemoryLimiter } from '../../src/ports/limiter/memory.ts'
import { TestClock } from '../support/clock/clock.ts'
import { left } from './stores.given.ts'

describe('limits in memory', () => {
  test('remember a bounded number of subjects, and forget those whose window ends first', async () => {
    const clock = new TestClock()
    const limiter = new MemoryLimiter(clock, 100)
    const of = (name: string, subject: number): Counter => ({
      name,
      subject: String(subject),
      quota: 5,
      windowSeconds: 60,
    })
    await limiter.take([of('user', 0)])

    for (let i = 0; i < 1_000; i += 1) await limiter.take([of('anonymous', i)])

    expect(await left(limiter, of('anonymous', 899), of('anonymous', 900))).toEqual([5, 4])
    expect(await left(limiter, of('anonymous', 999), of('user', 0))).toEqual([4, 4])
  })

  test('keep no more windows than they may, and drop all that have ended', async () => {
    const clock = new TestClock()
    const limiter = new MemoryLimiter(clock, 100)
    const of = (subject: string): Counter => ({
      name: 'anonymous',
      subject,
      quota: 5,
      windowSeconds: 60,
    })
    for (let i = 0; i < 1_000; i += 1) await limiter.take([of(`early ${i}`)])
    expect(limiter.size).toBe(100)

    await clock.advance(30_000)
    for (let i = 0; i < 40; i += 1) await limiter.take([of(`late ${i}`)])
    expect(limiter.size).toBe(100)

    await clock.advance(30_000)
    await limiter.take([of('last')])
    expect(limiter.size).toBe(41)
    expect(await left(limiter, of('late 0'))).toEqual([4])
    expect(await limiter.take([of('early 0')])).toMatchObject([{ remaining: 4 }])
  })
})
