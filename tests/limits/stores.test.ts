import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Counter, Limiter, Tally } from '../../src/ports/limiter/limiter.ts'
import { LIMIT_STORES, type LimitStore } from '../support/database/limit-stores.ts'
import { getRemaining, isAllowed, newSubject } from './stores.given.ts'

async function countAllowed(calls: number, take: (i: number) => Promise<Tally[]>): Promise<number> {
  const taken = await Promise.all(Array.from({ length: calls }, (_, i) => take(i)))
  return taken.filter(isAllowed).length
}

async function useUp(limiter: Limiter, counter: Counter, points = counter.quota): Promise<void> {
  for (let i = 0; i < points; i += 1) await limiter.take([counter])
}

describe.each(LIMIT_STORES)('limits in $name', ({ open }) => {
  if (!open) {
    test.skip('need a server in this run', () => {})
    return
  }
  let store: LimitStore
  let limiter: Limiter
  let otherLimiter: Limiter
  beforeAll(async () => {
    store = await open()
    limiter = await store.openInstance()
    otherLimiter = await store.openInstance()
  })
  afterAll(() => store.close())

  test('let exactly 10 of 200 parallel calls on a quota of 10 pass, over two instances', async () => {
    const alice = newSubject()
    const counters = [alice('user', 1000), alice('chat', 10)]

    const through = await countAllowed(200, (i) => (i % 2 ? limiter : otherLimiter).take(counters))

    expect(through).toBe(10)
    expect(await getRemaining(limiter, ...counters)).toEqual([990, 0])
    expect(await getRemaining(otherLimiter, ...counters)).toEqual([990, 0])
  })

  test('take nothing for 200 parallel calls if another counter is exceeded', async () => {
    const alice = newSubject()
    const [user, chat] = [alice('user', 10), alice('chat', 1)]

    await useUp(limiter, chat)

    for (const counters of [
      [user, chat],
      [chat, user],
    ]) {
      expect(await countAllowed(200, (i) => (i % 2 ? limiter : otherLimiter).take(counters))).toBe(
        0,
      )
    }
    expect(await getRemaining(limiter, user, chat)).toEqual([10, 0])
  })

  test('take nothing for refused calls, not even for a moment', async () => {
    const alice = newSubject()
    const [user, exceeded, open] = [alice('user', 10), alice('spent', 1), alice('open', 1000)]
    await useUp(limiter, exceeded)
    // A store that took `user` first and gave it back later would make these ten fail.
    const calls = Array.from({ length: 200 }, (_, i) => (i % 20 === 19 ? open : exceeded))

    const through = await countAllowed(200, (i) =>
      (i % 2 ? limiter : otherLimiter).take([user, calls[i]!]),
    )

    expect(through).toBe(10)
    expect(await getRemaining(limiter, user, open)).toEqual([0, 990])
  })

  test('return what remains of each counter, and which one refused', async () => {
    const alice = newSubject()
    const counters = [alice('user', 3, 3600), alice('chat', 1, 60)]

    const first = await limiter.take(counters)

    expect(first).toMatchObject([
      { quota: 3, windowSeconds: 3600, remaining: 2, spent: false },
      { quota: 1, windowSeconds: 60, remaining: 0, spent: false },
    ])

    const second = await limiter.take(counters)
    expect(second).toMatchObject([
      { remaining: 2, spent: false },
      { remaining: 0, spent: true },
    ])
    for (const [i, { resetsInMs }] of second.entries()) {
      expect(resetsInMs).toBeGreaterThan(0)
      expect(resetsInMs).toBeLessThanOrEqual(first[i]!.resetsInMs)
      expect(first[i]!.resetsInMs).toBeLessThanOrEqual(counters[i]!.windowSeconds * 1000)
    }
  })

  test('keep their count when a quota changes, and compare it with the new quota', async () => {
    const alice = newSubject()

    await useUp(limiter, alice('chat', 10), 4)

    expect(await getRemaining(limiter, alice('chat', 20))).toEqual([16])
    expect(await getRemaining(limiter, alice('chat', 3))).toEqual([0])
    expect(isAllowed(await limiter.take([alice('chat', 4)]))).toBe(false)
    expect(await limiter.take([alice('chat', 5)])).toMatchObject([{ remaining: 0, spent: false }])
    expect(await getRemaining(limiter, alice('chat', 10))).toEqual([5])
  })

  test('count each subject, name and length of window separately', async () => {
    const [alice, bob] = [newSubject(), newSubject()]

    await useUp(limiter, alice('chat', 2))

    const others = [bob('chat', 2), alice('user', 2), alice('chat', 2, 60)]

    expect(await getRemaining(limiter, ...others)).toEqual([2, 2, 2])
  })

  test('can be read without counting', async () => {
    const alice = newSubject()
    for (let i = 0; i < 3; i += 1)
      expect(await getRemaining(limiter, alice('chat', 2))).toEqual([2])
    await limiter.take([alice('chat', 2)])
    for (let i = 0; i < 3; i += 1)
      expect(await getRemaining(limiter, alice('chat', 2))).toEqual([1])
  })

  test('give back no more than was taken', async () => {
    const alice = newSubject()
    const chat = alice('chat', 2)

    await limiter.giveBack(chat)

    expect(await getRemaining(limiter, chat)).toEqual([2])

    await useUp(limiter, chat)
    await limiter.giveBack(chat)
    expect(await getRemaining(limiter, chat)).toEqual([1])

    for (let i = 0; i < 3; i += 1) await limiter.giveBack(chat)
    expect(await getRemaining(limiter, chat)).toEqual([2])

    await useUp(limiter, chat)
    expect(isAllowed(await limiter.take([chat]))).toBe(false)
  })

  test('clear one counter and no other', async () => {
    const alice = newSubject()
    const [user, chat] = [alice('user', 2), alice('chat', 2)]
    await limiter.take([user, chat])

    await limiter.clear(chat)
    await limiter.clear(alice('unknown', 2))

    expect(await getRemaining(limiter, user, chat)).toEqual([1, 2])
  })

  test('begin a window with the first call that passes, and end it once', async () => {
    const alice = newSubject()
    const [short, long] = [alice('short', 1, 1), alice('long', 2, 3600)]
    const exceeded = alice('spent', 1)

    await useUp(limiter, exceeded)

    expect(isAllowed(await limiter.take([short, exceeded]))).toBe(false)

    await limiter.take([short, long])
    expect(isAllowed(await limiter.take([short, long]))).toBe(false)

    await store.outlastOneSecond(async () => (await getRemaining(limiter, short))[0] === 1)
    await limiter.giveBack(short)
    expect(await limiter.take([short, long])).toMatchObject([{ remaining: 0 }, { remaining: 0 }])
    expect(isAllowed(await limiter.take([short]))).toBe(false)
  })

  test('keep a window of 31 days', async () => {
    const month = newSubject()('month', 5, 31 * 86_400)
    await limiter.take([month])

    // Node's timers of more than 24 days fire at once: this lets one fire.
    await new Promise((resolve) => setImmediate(resolve))

    expect(await getRemaining(limiter, month)).toEqual([4])

    const [tally] = await limiter.peek([month])
    expect(tally!.resetsInMs).toBeGreaterThan(30 * 86_400_000)
  })

  test('report that they are up', async () => {
    expect(await limiter.check()).toBe('up')
  })
})
