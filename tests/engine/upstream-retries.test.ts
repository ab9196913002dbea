import { describe, expect, it } from 'vitest'
import { systemClock } from '../../src/ports/clock/clock.ts'
import { play, textOf } from './openai-compatible.given.ts'

describe('a retry of an upstream', () => {
  it.each([429, 502, 503, 504])('follows status %i after a growing wait', async (status) => {
    const { parts, waits } = await play({ refusals: [status, status] })

    expect(textOf(parts)).toBe('Hello from upstream.')
    expect(waits).toEqual([150, 300])
  })

  it('follows a connection that breaks between the headers and the first chunk', async () => {
    const { parts, completions } = await play({ resets: 2 })

    expect(textOf(parts)).toBe('Hello from upstream.')
    expect(completions).toHaveLength(3)
  })

  it.each([
    ['2', 2_000],
    ['Thu, 01 Jan 2026 00:00:03 GMT', 3_000],
    ['soon', 150],
  ])('waits as Retry-After says: %s', async (retryAfter, expectedMs) => {
    const waits: number[] = []
    const clock = {
      ...systemClock,
      now: () => new Date('2026-01-01T00:00:00Z'),
      wait: async (ms: number, signal?: AbortSignal) => {
        if (ms === 5_000) return systemClock.wait(60_000, signal)
        waits.push(ms)
      },
    }

    const { parts } = await play({ refusals: [429], retryAfter }, { clock, idleTimeoutMs: 5_000 })

    expect(textOf(parts)).toBe('Hello from upstream.')
    // The last wait is the one for usage and [DONE].
    expect(waits[0]).toBe(expectedMs)
  })

  it('does not happen when Retry-After exceeds 5 s, and the failure has the same Retry-After', async () => {
    const { failure, completions } = await play({ status: 503, retryAfter: '6' })

    expect(failure).toMatchObject({ code: 'upstream-failed', retryAfterSeconds: 6 })
    expect(completions).toHaveLength(1)
  })

  it('happens at most twice', async () => {
    const { failure, completions } = await play({ status: 503 })

    expect(failure?.code).toBe('upstream-failed')
    expect(completions).toHaveLength(3)
  })

  it('does not happen once words have arrived', async () => {
    const { completions } = await play({ dropAfter: 1 })

    expect(completions).toHaveLength(1)
  })
})
