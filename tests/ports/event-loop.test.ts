import { setImmediate as later } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { NodeEventLoop } from '../../src/ports/clock/event-loop.ts'

describe('NodeEventLoop', () => {
  test('runs one piece of work in each turn, in order of arrival', async () => {
    let turn = 0
    const nextTurn = async () => {
      await later()
      turn += 1
    }
    const eventLoop = new NodeEventLoop(nextTurn, () => 0)
    const taken: [number, number][] = []
    const take = async (piece: number) => {
      await eventLoop.yield()
      taken.push([piece, turn])
    }

    await Promise.all([0, 1, 2, 3].map(take))

    expect(taken).toEqual([
      [0, 0],
      [1, 1],
      [2, 2],
      [3, 3],
    ])
  })

  test('leaves more turns for others after a longer piece of work', async () => {
    let [turn, ms] = [0, 0]
    const nextTurn = async () => {
      await later()
      turn += 1
    }
    const eventLoop = new NodeEventLoop(nextTurn, () => ms)
    await eventLoop.yield()
    ms += 2

    await eventLoop.yield()

    expect(turn).toBe(1 + 4)

    ms += 1_000
    await eventLoop.yield()
    expect(turn).toBe(1 + 4 + 1 + 10)
  })

  test('lets a single piece of work run without waiting', async () => {
    let passed = 0
    const eventLoop = new NodeEventLoop(async () => {
      await later()
      passed += 1
    })

    await eventLoop.yield()

    expect(passed).toBe(0)

    await later()
    await later()
    await eventLoop.yield()
    expect(passed).toBeLessThanOrEqual(1)
  })
})
