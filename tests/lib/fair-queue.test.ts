import { describe, expect, test } from 'vitest'
import { createDeferred } from '../../src/lib/deferred.ts'
import { FairQueue, type Refusal, TurnRefused } from '../../src/lib/fair-queue.ts'

const LARGE = 1_000
const LIMITS = {
  ...{ places: 2, placesOfLarge: 1, mostOfLarge: 4, largeSize: 100, longestQueue: 200 },
}

/** Work that ends when it is told to, and what became of each piece. */
function createWork(limits = LIMITS) {
  const queue = new FairQueue(limits)
  const underWay: { name: string; end: () => void }[] = []
  const refused: string[] = []
  const ended: string[] = []

  const ask = (name: string, how: { size?: number; isSteady?: boolean; signal?: AbortSignal }) => {
    const { size = 1, isSteady = false, signal = new AbortController().signal } = how
    const work = async () => {
      const over = createDeferred<undefined>()
      const end = () => {
        over.resolve(undefined)
      }
      underWay.push({ name, end })
      await over.promise
    }
    const settled = queue.run(name, work, { isSteady, signal: () => signal, sizeOf: () => size })
    return settled.then(
      () => void ended.push(name),
      (error: unknown) => {
        const why: Refusal = error instanceof TurnRefused ? error.why : 'left'
        refused.push(`${name} ${why}`)
      },
    )
  }
  const endOne = async () => {
    underWay.shift()!.end()
    await settle()
  }
  return { queue, underWay, refused, ended, ask, endOne }
}

/** Whatever follows from what has happened has happened. */
const settle = () => new Promise((resolve) => setImmediate(resolve))

describe('a fair queue', () => {
  test('lets in whoever comes while there is a place, and no more than there are', async () => {
    const { ask, underWay, endOne } = createWork()
    for (let i = 0; i < 3; i += 1) void ask('a', {})
    await settle()
    expect(underWay).toHaveLength(2)

    await endOne()
    expect(underWay).toHaveLength(2)
  })

  test('answers another while one has a hundred waiting', async () => {
    const { ask, endOne, ended } = createWork()
    for (let i = 0; i < 102; i += 1) void ask('a', {})
    await settle()
    void ask('b', {})

    for (let i = 0; i < 4; i += 1) await endOne()

    expect(ended).toContain('b')
  })

  test('takes from each in turn', async () => {
    const { ask, endOne, ended } = createWork({ ...LIMITS, places: 1 })
    for (const name of ['a', 'a', 'a', 'b', 'b', 'c']) void ask(name, {})
    await settle()

    for (let i = 0; i < 6; i += 1) await endOne()

    expect(ended).toEqual(['a', 'a', 'b', 'c', 'a', 'b'])
  })

  test('refuses nobody whose work is small, however much of it comes at once', async () => {
    const { ask, endOne, ended, refused } = createWork()
    for (let i = 0; i < 150; i += 1) void ask('a', {})
    await settle()

    for (let i = 0; i < 150; i += 1) await endOne()

    expect([ended.length, refused]).toEqual([150, []])
  })

  test('refuses what is too much of one whose work turns out to be large, the last first', async () => {
    const { ask, endOne, underWay, refused } = createWork()
    for (let i = 0; i < 10; i += 1) void ask('a', { size: LARGE })
    await settle()
    await endOne()
    // One has ended, four are left: one goes on, three wait.
    expect(refused).toEqual(Array(5).fill('a busy'))
    expect(underWay).toHaveLength(1)

    void ask('a', { size: LARGE })
    void ask('b', {})
    await settle()
    expect(refused).toHaveLength(6)
    expect(underWay.map(({ name }) => name)).toEqual(['a', 'b'])
  })

  test('never refuses what was let in as a whole before', async () => {
    const { ask, endOne, ended, refused } = createWork()
    for (let i = 0; i < 10; i += 1) void ask('a', { size: LARGE, isSteady: true })
    await settle()

    for (let i = 0; i < 10; i += 1) await endOne()

    expect([ended.length, refused]).toEqual([10, []])
  })

  test('refuses whoever comes when too many wait', async () => {
    const { ask, refused } = createWork({ ...LIMITS, longestQueue: 1 })
    for (const name of ['a', 'b', 'c', 'd']) void ask(name, {})

    await settle()

    expect(refused).toEqual(['d full'])
  })

  test('forgets whoever leaves, waiting or not, and all that has ended', async () => {
    const { ask, endOne, queue, refused } = createWork()
    const leaving = new AbortController()
    for (const name of ['a', 'b']) void ask(name, {})
    void ask('c', { signal: leaving.signal })
    await settle()
    leaving.abort()
    await settle()
    void ask('d', { signal: leaving.signal })
    await settle()
    expect(refused).toEqual(['c left', 'd left'])

    for (let i = 0; i < 2; i += 1) await endOne()
    expect(queue.load()).toEqual({ running: 0, waiting: 0, parties: 0 })
  })
})
