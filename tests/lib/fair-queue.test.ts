import { describe, expect, test } from 'vitest'
import { createDeferred } from '../../src/lib/deferred.ts'
import { FairQueue, type Refusal, TurnRefused } from '../../src/lib/fair-queue.ts'

const LARGE = 1_000
const LIMITS = {
  ...{ places: 2, placesOfLarge: 1, mostOfLarge: 4, largeSize: 100, longestQueue: 200 },
}

/** A queue, work that ends on request, and the outcome of each piece. */
function createWork(limits = LIMITS) {
  const queue = new FairQueue(limits)
  const running: { name: string; end: () => void }[] = []
  const refused: string[] = []
  const ended: string[] = []

  const add = (
    name: string,
    options: { size?: number; isSteady?: boolean; signal?: AbortSignal },
  ) => {
    const { size = 1, isSteady = false, signal = new AbortController().signal } = options
    const work = async () => {
      const finished = createDeferred<undefined>()
      const end = () => {
        finished.resolve(undefined)
      }
      running.push({ name, end })
      await finished.promise
    }
    const settled = queue.run(name, work, { isSteady, signal: () => signal, sizeOf: () => size })
    return settled.then(
      () => void ended.push(name),
      (error: unknown) => {
        const reason: Refusal = error instanceof TurnRefused ? error.why : 'left'
        refused.push(`${name} ${reason}`)
      },
    )
  }
  const finishOne = async () => {
    running.shift()!.end()
    await settle()
  }
  return { queue, running, refused, ended, add, finishOne }
}

/** Lets all consequences of the last step happen. */
const settle = () => new Promise((resolve) => setImmediate(resolve))

describe('FairQueue', () => {
  test('runs as much work as it has places, and no more', async () => {
    const { add, running, finishOne } = createWork()
    for (let i = 0; i < 3; i += 1) void add('a', {})
    await settle()
    expect(running).toHaveLength(2)

    await finishOne()
    expect(running).toHaveLength(2)
  })

  test('runs the work of one party while another has a hundred pieces waiting', async () => {
    const { add, finishOne, ended } = createWork()
    for (let i = 0; i < 102; i += 1) void add('a', {})
    await settle()
    void add('b', {})

    for (let i = 0; i < 4; i += 1) await finishOne()

    expect(ended).toContain('b')
  })

  test('takes from each party in turn', async () => {
    const { add, finishOne, ended } = createWork({ ...LIMITS, places: 1 })
    for (const name of ['a', 'a', 'a', 'b', 'b', 'c']) void add(name, {})
    await settle()

    for (let i = 0; i < 6; i += 1) await finishOne()

    expect(ended).toEqual(['a', 'a', 'b', 'c', 'a', 'b'])
  })

  test('does not refuse small work, even 150 pieces of it', async () => {
    const { add, finishOne, ended, refused } = createWork()
    for (let i = 0; i < 150; i += 1) void add('a', {})
    await settle()

    for (let i = 0; i < 150; i += 1) await finishOne()

    expect([ended.length, refused]).toEqual([150, []])
  })

  test('refuses the last pieces of a party whose large work exceeds the limit', async () => {
    const { add, finishOne, running, refused } = createWork()
    for (let i = 0; i < 10; i += 1) void add('a', { size: LARGE })
    await settle()
    await finishOne()
    // One has finished and four remain: one runs, three wait.
    expect(refused).toEqual(Array(5).fill('a busy'))
    expect(running).toHaveLength(1)

    void add('a', { size: LARGE })
    void add('b', {})
    await settle()
    expect(refused).toHaveLength(6)
    expect(running.map(({ name }) => name)).toEqual(['a', 'b'])
  })

  test('does not refuse large steady work', async () => {
    const { add, finishOne, ended, refused } = createWork()
    for (let i = 0; i < 10; i += 1) void add('a', { size: LARGE, isSteady: true })
    await settle()

    for (let i = 0; i < 10; i += 1) await finishOne()

    expect([ended.length, refused]).toEqual([10, []])
  })

  test('refuses new work when the queue is full', async () => {
    const { add, refused } = createWork({ ...LIMITS, longestQueue: 1 })
    for (const name of ['a', 'b', 'c', 'd']) void add(name, {})

    await settle()

    expect(refused).toEqual(['d full'])
  })

  test('keeps nothing of work that was aborted or has finished', async () => {
    const { add, finishOne, queue, refused } = createWork()
    const leaving = new AbortController()
    for (const name of ['a', 'b']) void add(name, {})
    void add('c', { signal: leaving.signal })
    await settle()
    leaving.abort()
    await settle()
    void add('d', { signal: leaving.signal })
    await settle()
    expect(refused).toEqual(['c left', 'd left'])

    for (let i = 0; i < 2; i += 1) await finishOne()
    expect(queue.load()).toEqual({ running: 0, waiting: 0, parties: 0 })
  })
})
