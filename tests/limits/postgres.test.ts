import { describe, expect, test } from 'vitest'
import { PostgresLimiter } from '../../src/ports/limiter/postgres.ts'
import { openLimitCounters } from '../../src/store/limit-counters.ts'
import { openTestStore } from '../support/database/database.ts'
import { DATABASE_URL } from '../support/database/limit-stores.ts'
import { getRemaining, isAllowed, newSubject } from './stores.given.ts'

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
    const alice = newSubject()
    const both = [alice('user', 10), alice('chat', 1)]

    await limiter.take(both)
    await limiter.take(both)
    await limiter.peek(both)

    expect(sent).toEqual(['take', 'take', 'find'])

    await limiter.close()
    await testStore.close()
  })

  test('cost concurrent calls few statements, and still count each call by itself', async () => {
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
    const [alice, bob] = [newSubject(), newSubject()]
    // Bob's chat is exceeded after 3 calls, Alice's after 20; a refused call takes nothing.
    const calls = Array.from({ length: 150 }, (_, i) =>
      i % 3 === 0
        ? limiter.take([bob('user', 1000), bob('chat', 3)])
        : limiter.take([alice('user', 1000), alice('chat', 20)]),
    )

    const tallies = await Promise.all(calls)

    expect(together).toEqual([1, 1, 100, 48])
    expect(tallies.filter(isAllowed)).toHaveLength(23)

    const remaining = tallies.filter(isAllowed).map(([, chat]) => chat!.remaining)
    expect(remaining.toSorted((a, b) => a - b)).toEqual(
      [...Array(20).keys(), ...Array(3).keys()].toSorted((a, b) => a - b),
    )

    const counted = [alice('user', 1000), alice('chat', 20), bob('user', 1000), bob('chat', 3)]
    expect(await getRemaining(limiter, ...counted)).toEqual([980, 0, 997, 0])

    await limiter.close()
    await testStore.close()
  })

  test('fail only the calls whose statement failed, and count the next ones', async () => {
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
    const alice = newSubject()
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

  test('are deleted when their window has ended, and not before', async () => {
    const testStore = await openTestStore()
    const limiter = new PostgresLimiter(openLimitCounters(testStore.options.databaseUrl!))
    const rows = () => testStore.database.prisma.limitCounter.count()
    const alice = newSubject()
    const [ended, kept] = [alice('gone', 5, 1), alice('kept', 5)]
    await limiter.take([ended, kept])

    await limiter.prune()

    expect(await rows()).toBe(2)

    const updated = await testStore.database.prisma.limitCounter.updateMany({
      where: { key: { startsWith: 'gone' } },
      data: { expiresAt: new Date(0) },
    })
    expect(updated.count).toBe(1)

    await limiter.prune()
    expect(await rows()).toBe(1)
    expect(await getRemaining(limiter, ended, kept)).toEqual([5, 4])

    await limiter.close()
    await testStore.close()
  })

  test('cause no deadlock for concurrent calls that take them in different orders', async () => {
    const testStore = await openTestStore()
    const limiter = new PostgresLimiter(openLimitCounters(testStore.options.databaseUrl!))
    const alice = newSubject()
    const names = ['a', 'b', 'c', 'd']

    const calls = Array.from({ length: 200 }, (_, i) => {
      const [one, two] = [names[i % 4]!, names[(i + 1 + (i % 3)) % 4]!]
      return limiter.take([alice(one, 1000), alice(two, 1000)])
    })
    const tallies = await Promise.all(calls)

    expect(tallies.every(isAllowed)).toBe(true)
    const counts = await getRemaining(limiter, ...names.map((name) => alice(name, 1000)))
    expect(counts.reduce((sum, remaining) => sum + 1000 - remaining, 0)).toBe(400)

    await limiter.close()
    await testStore.close()
  })
})
