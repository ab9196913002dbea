import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/ports/clock/clock.ts'
import type { Counter, Limiter, Tally } from '../../src/ports/limiter/limiter.ts'
import { MemoryLimiter } from '../../src/ports/limiter/memory.ts'
import { PostgresLimiter } from '../../src/ports/limiter/postgres.ts'
import { openRedisLimiter } from '../../src/ports/limiter/redis.ts'
import { openLimitCounters } from '../../src/store/limit-counters.ts'
import { TestClock } from '../support/clock/clock.ts'
import { openTestStore } from '../support/database/database.ts'
import {
  DATABASE_URL,
  LIMIT_STORES,
  type LimitStore,
  lookIntoRedis,
} from '../support/database/limit-stores.ts'
import { hasRedis, startRedis } from '../support/database/redis-server.ts'

/** Counters of nobody else. */
function someone() {
  const subject = randomUUID()
  return (name: string, quota: number, windowSeconds = 3600): Counter => ({
    name,
    subject,
    quota,
    windowSeconds,
  })
}

const passed = (tallies: readonly Tally[]) => tallies.every(({ spent }) => !spent)

async function atOnce(calls: number, take: (i: number) => Promise<Tally[]>): Promise<number> {
  const taken = await Promise.all(Array.from({ length: calls }, (_, i) => take(i)))
  return taken.filter(passed).length
}

async function spend(limiter: Limiter, counter: Counter, points = counter.quota): Promise<void> {
  for (let i = 0; i < points; i += 1) await limiter.take([counter])
}

async function left(limiter: Limiter, ...counters: Counter[]): Promise<number[]> {
  return (await limiter.peek(counters)).map(({ remaining }) => remaining)
}

describe.each(LIMIT_STORES)('limits in $name', ({ open }) => {
  if (!open) {
    test.skip('have no server in this run', () => {})
    return
  }
  let store: LimitStore
  let limiter: Limiter
  let other: Limiter
  beforeAll(async () => {
    store = await open()
    limiter = await store.openInstance()
    other = await store.openInstance()
  })
  afterAll(() => store.close())

  test('let exactly 10 of 200 parallel calls on a quota of 10 pass, over two instances', async () => {
    const alice = someone()
    const counters = [alice('user', 1000), alice('chat', 10)]
    const through = await atOnce(200, (i) => (i % 2 ? limiter : other).take(counters))
    expect(through).toBe(10)
    expect(await left(limiter, ...counters)).toEqual([990, 0])
    expect(await left(other, ...counters)).toEqual([990, 0])
  })

  test('consume nothing for 200 parallel calls if another counter is spent', async () => {
    const alice = someone()
    const [user, chat] = [alice('user', 10), alice('chat', 1)]
    await spend(limiter, chat)
    for (const counters of [
      [user, chat],
      [chat, user],
    ]) {
      expect(await atOnce(200, (i) => (i % 2 ? limiter : other).take(counters))).toBe(0)
    }
    expect(await left(limiter, user, chat)).toEqual([10, 0])
  })

  test('take nothing from others while calls are refused, not even for a moment', async () => {
    const alice = someone()
    const [user, spent, open] = [alice('user', 10), alice('spent', 1), alice('open', 1000)]
    await spend(limiter, spent)
    // Whoever took `user` first and gave it back later would make these ten fail.
    const calls = Array.from({ length: 200 }, (_, i) => (i % 20 === 19 ? open : spent))
    const through = await atOnce(200, (i) => (i % 2 ? limiter : other).take([user, calls[i]!]))
    expect(through).toBe(10)
    expect(await left(limiter, user, open)).toEqual([0, 990])
  })

  test('tell what each counter has left, and which refused', async () => {
    const alice = someone()
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

  test('count on when a quota is changed, and compare with the new one', async () => {
    const alice = someone()
    await spend(limiter, alice('chat', 10), 4)
    expect(await left(limiter, alice('chat', 20))).toEqual([16])
    expect(await left(limiter, alice('chat', 3))).toEqual([0])
    expect(passed(await limiter.take([alice('chat', 4)]))).toBe(false)
    expect(await limiter.take([alice('chat', 5)])).toMatchObject([{ remaining: 0, spent: false }])
    expect(await left(limiter, alice('chat', 10))).toEqual([5])
  })

  test('count each subject, each name and each length of window for itself', async () => {
    const [alice, bob] = [someone(), someone()]
    await spend(limiter, alice('chat', 2))
    const others = [bob('chat', 2), alice('user', 2), alice('chat', 2, 60)]
    expect(await left(limiter, ...others)).toEqual([2, 2, 2])
  })

  test('look without counting', async () => {
    const alice = someone()
    for (let i = 0; i < 3; i += 1) expect(await left(limiter, alice('chat', 2))).toEqual([2])
    await limiter.take([alice('chat', 2)])
    for (let i = 0; i < 3; i += 1) expect(await left(limiter, alice('chat', 2))).toEqual([1])
  })

  test('give back what was taken, and never more', async () => {
    const alice = someone()
    const chat = alice('chat', 2)
    await limiter.giveBack(chat)
    expect(await left(limiter, chat)).toEqual([2])
    await spend(limiter, chat)
    await limiter.giveBack(chat)
    expect(await left(limiter, chat)).toEqual([1])
    for (let i = 0; i < 3; i += 1) await limiter.giveBack(chat)
    expect(await left(limiter, chat)).toEqual([2])
    await spend(limiter, chat)
    expect(passed(await limiter.take([chat]))).toBe(false)
  })

  test('forget what is cleared, and that alone', async () => {
    const alice = someone()
    const [user, chat] = [alice('user', 2), alice('chat', 2)]
    await limiter.take([user, chat])
    await limiter.clear(chat)
    await limiter.clear(alice('unknown', 2))
    expect(await left(limiter, user, chat)).toEqual([1, 2])
  })

  test('begin a window with its first call that passes, and end it once', async () => {
    const alice = someone()
    const [short, long] = [alice('short', 1, 1), alice('long', 2, 3600)]
    const spent = alice('spent', 1)
    await spend(limiter, spent)
    expect(passed(await limiter.take([short, spent]))).toBe(false)
    await limiter.take([short, long])
    expect(passed(await limiter.take([short, long]))).toBe(false)
    await store.outlastOneSecond(async () => (await left(limiter, short))[0] === 1)
    await limiter.giveBack(short)
    expect(await limiter.take([short, long])).toMatchObject([{ remaining: 0 }, { remaining: 0 }])
    expect(passed(await limiter.take([short]))).toBe(false)
  })

  test('keep a window of 31 days', async () => {
    const month = someone()('month', 5, 31 * 86_400)
    await limiter.take([month])
    // Timers of Node end at once beyond 24 days: let one have its turn.
    await new Promise((resolve) => setImmediate(resolve))
    expect(await left(limiter, month)).toEqual([4])
    const [tally] = await limiter.peek([month])
    expect(tally!.resetsInMs).toBeGreaterThan(30 * 86_400_000)
  })

  test('are up', async () => {
    expect(await limiter.check()).toBe('up')
  })
})

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

describe.skipIf(!hasRedis)('limits in Redis', () => {
  test('cost one command for a call of several counters, and every key expires', async () => {
    const server = await startRedis()
    const redis = await lookIntoRedis(server.url)
    const limiter = await openRedisLimiter(server.url, systemClock)
    const evals = async () =>
      Number(/cmdstat_eval:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1] ?? 0)
    const alice = someone()
    const counters = [alice('user', 10), alice('chat', 1, 60)]
    const before = await evals()
    await limiter.take(counters)
    await limiter.take(counters)
    expect((await evals()) - before).toBe(2)
    const keys = await redis.keys(`*${counters[0]!.subject}*`)
    expect(keys).toHaveLength(2)
    for (const key of keys) expect(await redis.pTTL(key)).toBeGreaterThan(0)
    await limiter.close()
    redis.destroy()
    await server.kill()
  })
})

describe.skipIf(DATABASE_URL === undefined)('limits in PostgreSQL', () => {
  test('cost one statement for a call of several counters', async () => {
    const testStore = await openTestStore()
    const counters = openLimitCounters(testStore.options.databaseUrl!)
    const sent: string[] = []
    const limiter = new PostgresLimiter({
      ...counters,
      take: (calls) => {
        sent.push('take')
        return counters.take(calls)
      },
      find: (keys) => {
        sent.push('find')
        return counters.find(keys)
      },
    })
    const alice = someone()
    const both = [alice('user', 10), alice('chat', 1)]
    await limiter.take(both)
    await limiter.take(both)
    await limiter.peek(both)
    expect(sent).toEqual(['take', 'take', 'find'])
    await limiter.close()
    await testStore.close()
  })

  test('cost calls at the same time few statements, and each is still counted by itself', async () => {
    const testStore = await openTestStore()
    const counters = openLimitCounters(testStore.options.databaseUrl!)
    const together: number[] = []
    const limiter = new PostgresLimiter({
      ...counters,
      take: (calls) => {
        together.push(calls.length)
        return counters.take(calls)
      },
    })
    const [alice, bob] = [someone(), someone()]
    // Bob's chat is spent after 3, Alice's after 20; what refuses one takes nothing from the other.
    const calls = Array.from({ length: 150 }, (_, i) =>
      i % 3 === 0
        ? limiter.take([bob('user', 1000), bob('chat', 3)])
        : limiter.take([alice('user', 1000), alice('chat', 20)]),
    )
    const tallies = await Promise.all(calls)
    expect(together).toEqual([1, 1, 100, 48])
    expect(tallies.filter(passed)).toHaveLength(23)
    const remaining = tallies.filter(passed).map(([, chat]) => chat!.remaining)
    expect(remaining.toSorted((a, b) => a - b)).toEqual(
      [...Array(20).keys(), ...Array(3).keys()].toSorted((a, b) => a - b),
    )
    const counted = [alice('user', 1000), alice('chat', 20), bob('user', 1000), bob('chat', 3)]
    expect(await left(limiter, ...counted)).toEqual([980, 0, 997, 0])
    await limiter.close()
    await testStore.close()
  })

  test('go on after a statement that failed: those that travelled in it are told, others are not', async () => {
    const testStore = await openTestStore()
    const counters = openLimitCounters(testStore.options.databaseUrl!)
    let statements = 0
    const limiter = new PostgresLimiter({
      ...counters,
      take: (calls) => {
        statements += 1
        return statements === 3 ? Promise.reject(new Error('gone')) : counters.take(calls)
      },
    })
    const alice = someone()
    const calls = Array.from({ length: 4 }, () => limiter.take([alice('user', 10)]))
    const results = await Promise.allSettled(calls)
    expect(results.map(({ status }) => status)).toEqual([
      ...['fulfilled', 'fulfilled'],
      ...['rejected', 'rejected'],
    ])
    expect(await limiter.take([alice('user', 10)])).toMatchObject([{ remaining: 7 }])
    await limiter.close()
    await testStore.close()
  })

  test('are pruned when their window has ended, and not before', async () => {
    const testStore = await openTestStore()
    const limiter = new PostgresLimiter(openLimitCounters(testStore.options.databaseUrl!))
    const rows = () => testStore.database.prisma.limitCounter.count()
    const alice = someone()
    const [gone, kept] = [alice('gone', 5, 1), alice('kept', 5)]
    await limiter.take([gone, kept])
    await limiter.prune()
    expect(await rows()).toBe(2)
    const ended = await testStore.database.prisma.limitCounter.updateMany({
      where: { key: { startsWith: 'gone' } },
      data: { expiresAt: new Date(0) },
    })
    expect(ended.count).toBe(1)
    await limiter.prune()
    expect(await rows()).toBe(1)
    expect(await left(limiter, gone, kept)).toEqual([5, 4])
    await limiter.close()
    await testStore.close()
  })

  test('are taken in any order by calls at the same time, and none waits in a circle', async () => {
    const testStore = await openTestStore()
    const limiter = new PostgresLimiter(openLimitCounters(testStore.options.databaseUrl!))
    const alice = someone()
    const names = ['a', 'b', 'c', 'd']
    const calls = Array.from({ length: 200 }, (_, i) => {
      const [one, two] = [names[i % 4]!, names[(i + 1 + (i % 3)) % 4]!]
      return limiter.take([alice(one, 1000), alice(two, 1000)])
    })
    expect((await Promise.all(calls)).every(passed)).toBe(true)
    const counts = await left(limiter, ...names.map((name) => alice(name, 1000)))
    expect(counts.reduce((sum, remaining) => sum + 1000 - remaining, 0)).toBe(400)
    await limiter.close()
    await testStore.close()
  })
})
