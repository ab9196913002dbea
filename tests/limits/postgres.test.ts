import { describe, expect, test } from 'vitest'
import { PostgresLimiter } from '../../src/ports/limiter/postgres.ts'
import { openLimitCounters } from '../../src/store/limit-counters.ts'
import { openTestStore } from '../support/database/database.ts'
import { DATABASE_URL } from '../support/database/limit-stores.ts'
import { left, passed, someone } from './stores.given.ts'

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
