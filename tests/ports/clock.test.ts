import { describe, expect, test, vi } from 'vitest'
import { createIds } from '../../src/ports/ids.ts'
import { systemClock } from '../../src/ports/clock/clock.ts'
import { TestClock } from '../support/clock/clock.ts'

describe.each([
  ['the system clock', () => systemClock],
  ['the test clock', () => new TestClock()],
])('%s', (_name, makeClock) => {
  test('rejects an aborted wait with the reason of its signal', async () => {
    const controller = new AbortController()
    const wait = makeClock().wait(60_000, controller.signal)

    controller.abort(new Error('enough'))

    await expect(wait).rejects.toThrow('enough')
  })

  test('does not start a wait whose signal is already aborted', async () => {
    const clock = makeClock()
    const signal = AbortSignal.abort(new Error('too late'))

    await expect((async () => clock.wait(1, signal))()).rejects.toThrow('too late')
  })

  test('refuses a timer that Node would shorten to 1 ms', async () => {
    const clock = makeClock()

    await expect((async () => clock.wait(2 ** 31))()).rejects.toThrow(RangeError)
    await expect((async () => clock.wait(Number.NaN))()).rejects.toThrow(RangeError)
    expect(() => clock.every(0, () => {})).toThrow(RangeError)
  })
})

describe('the system clock', () => {
  test('never runs an interval twice at the same time, and reports its failures to onError', async () => {
    vi.useFakeTimers()
    const failures: unknown[] = []
    let running = 0
    let most = 0
    const stop = systemClock.every(
      10,
      async () => {
        most = Math.max(most, ++running)
        await systemClock.wait(25)
        running -= 1
        throw new Error('failed')
      },
      (error) => failures.push(error),
    )

    await vi.advanceTimersByTimeAsync(99)
    stop()

    await vi.advanceTimersByTimeAsync(100)

    expect(most).toBe(1)
    expect(failures).toHaveLength(3)
    expect(vi.getTimerCount()).toBe(0)

    vi.useRealTimers()
  })

  test('continues an interval that throws', async () => {
    vi.useFakeTimers()
    const onError = vi.fn()
    const stop = systemClock.every(
      10,
      () => {
        throw new Error('failed')
      },
      onError,
    )

    await vi.advanceTimersByTimeAsync(35)

    stop()

    expect(onError).toHaveBeenCalledTimes(3)

    vi.useRealTimers()
  })
})

describe('the test clock', () => {
  test('fires waits and intervals in order of time', async () => {
    const clock = new TestClock('2026-01-01T00:00:00.000Z')
    const log: string[] = []
    const note = (name: string) => log.push(`${name}@${clock.monotonicMs()}`)
    void clock.wait(30).then(() => note('late'))
    void clock.wait(10).then(async () => {
      note('early')
      await clock.wait(10)
      note('chained')
    })
    const stop = clock.every(15, () => void note('tick'))

    await clock.advance(40)

    expect(log).toEqual(['early@10', 'tick@15', 'chained@20', 'late@30', 'tick@30'])
    expect(clock.now().toISOString()).toBe('2026-01-01T00:00:00.040Z')

    stop()
    expect(clock.pending).toBe(0)
  })

  test('leaves no timer behind after an aborted wait', async () => {
    const clock = new TestClock()
    const controller = new AbortController()
    const wait = clock.wait(10, controller.signal)

    controller.abort()

    await expect(wait).rejects.toThrow('aborted')
    expect(clock.pending).toBe(0)
  })
})

describe('createIds', () => {
  test('makes UUIDv7 with the time of the clock, which sort in order of creation', async () => {
    const clock = new TestClock('2026-01-01T00:00:00.000Z')
    const ids = createIds(clock)
    const made: string[] = []

    for (let turn = 0; turn < 3; turn += 1) {
      for (let index = 0; index < 500; index += 1) made.push(ids.next())
      await clock.advance(1)
    }

    expect(made).toEqual([...made].sort())
    expect(new Set(made).size).toBe(made.length)
    expect(made[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(Number.parseInt(made[0]!.replaceAll('-', '').slice(0, 12), 16)).toBe(
      Date.parse('2026-01-01T00:00:00.000Z'),
    )
  })

  test('continues from the latest time when the clock steps back', () => {
    let now = 2_000
    const ids = createIds({ ...systemClock, now: () => new Date(now) })
    const before = ids.next()

    now = 1_000
    const after = ids.next()

    expect(after > before).toBe(true)
  })

  test('makes request ids in the format that callers may send', () => {
    expect(createIds(systemClock).requestId()).toMatch(/^[A-Za-z0-9._-]{1,128}$/)
  })
})
