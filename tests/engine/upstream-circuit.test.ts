import { describe, expect, it } from 'vitest'
import type { OpenAiCompatibleEngine } from '../../src/engine/upstream/openai-compatible.ts'
import { startUpstream, type TestUpstream } from '../support/upstream/upstream.ts'
import { clockThatSkips, engineFor, never, read, textOf, turn } from './openai-compatible.given.ts'

describe('the circuit breaker of an upstream', () => {
  const OPEN_MS = 15_000
  const FAILURES = 5

  /** An engine whose upstream failed five times, and its time. */
  async function openCircuit(upstream: TestUpstream) {
    const time = { nowMs: 0 }
    const clock = { ...clockThatSkips(), monotonicMs: () => time.nowMs }
    const { engine } = engineFor(upstream, { clock, model: 'any' })
    upstream.script = { status: 500 }
    for (let calls = 0; calls < FAILURES; calls++) await failureOf(engine)
    return { engine, time }
  }

  const failureOf = (engine: OpenAiCompatibleEngine, signal = never) =>
    read(engine.answer(turn(), signal)).then(
      () => undefined,
      (error: unknown) => error,
    )

  it('fails calls after five failures without a request, with the time to wait, and the check is down', async () => {
    await using upstream = await startUpstream()
    const { engine, time } = await openCircuit(upstream)
    expect(upstream.completions).toHaveLength(FAILURES)
    upstream.script = {}
    time.nowMs = 4_000

    const failure = { code: 'upstream-failed', retryAfterSeconds: 11 }
    expect(await failureOf(engine)).toMatchObject(failure)
    expect(await engine.check()).toBe('down')
    expect(upstream.calls).toHaveLength(FAILURES)
  })

  it('lets one call through after 15 s and stays open when it fails', async () => {
    await using upstream = await startUpstream()
    const { engine, time } = await openCircuit(upstream)
    time.nowMs = OPEN_MS
    upstream.script = { errorAfter: 0, preamble: ': ', stallAfter: 0 }
    const probe = failureOf(engine)
    await upstream.completion(FAILURES + 1)

    expect(await failureOf(engine)).toMatchObject({ retryAfterSeconds: 2 })
    upstream.release()
    expect(await probe).toMatchObject({ code: 'upstream-failed' })
    expect(await failureOf(engine)).toMatchObject({ retryAfterSeconds: 15 })
    expect(upstream.completions).toHaveLength(FAILURES + 1)
  })

  it('closes when that call succeeds', async () => {
    await using upstream = await startUpstream()
    const { engine, time } = await openCircuit(upstream)
    time.nowMs = OPEN_MS
    upstream.script = {}

    expect(textOf(await read(engine.answer(turn(), never)))).toBe('Hello from upstream.')
    expect(await engine.check()).toBe('up')
    upstream.script = { status: 500 }
    for (let calls = 1; calls < FAILURES; calls++) await failureOf(engine)
    upstream.script = {}
    expect(await failureOf(engine)).toBeUndefined()
  })

  it('lets the next call through when the caller aborts that call', async () => {
    await using upstream = await startUpstream()
    const { engine, time } = await openCircuit(upstream)
    time.nowMs = OPEN_MS
    upstream.script = { stallAfter: 0 }
    const abort = new AbortController()
    const probe = failureOf(engine, abort.signal)
    await upstream.completion(FAILURES + 1)
    const reason = new Error('the caller left')

    abort.abort(reason)

    expect(await probe).toBe(reason)
    expect(await engine.check()).toBe('down')
    upstream.script = {}
    expect(await failureOf(engine)).toBeUndefined()
    expect(await engine.check()).toBe('up')
  })

  it.each([400, 403, 404, 413, 422])(
    'does not open for requests that are refused with %i',
    async (status) => {
      await using upstream = await startUpstream({ status })
      const { engine } = engineFor(upstream, { model: 'any' })

      for (let calls = 0; calls <= FAILURES; calls++) await failureOf(engine)

      expect(upstream.completions).toHaveLength(FAILURES + 1)
    },
  )

  it('does not open for failures after the first word', async () => {
    await using upstream = await startUpstream({ errorAfter: 1 })
    const { engine } = engineFor(upstream, { model: 'any' })

    for (let calls = 0; calls <= FAILURES; calls++) await failureOf(engine)

    expect(upstream.completions).toHaveLength(FAILURES + 1)
  })
})
