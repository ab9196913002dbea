import { createServer, type AddressInfo, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { OpenAiCompatibleEngine } from '../../src/engine/upstream/openai-compatible.ts'
import { systemClock } from '../../src/ports/clock/clock.ts'
import { TestClock } from '../support/clock/clock.ts'
import { until } from '../support/clock/until.ts'
import { startUpstream } from '../support/upstream/upstream.ts'
import type { TestUpstream, UpstreamScript } from '../support/upstream/upstream.ts'
import { clockThatSkips, engineFor, never, read, textOf, turn } from './openai-compatible.given.ts'

describe('an upstream that fails again and again', () => {
  const OPEN_MS = 15_000
  const FAILURES = 5

  /** An engine that was failed five times, and its clock. */
  async function withBrokenCircuit(upstream: TestUpstream) {
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

  it('is left alone: calls fail at once and say when to come back, and the check is down', async () => {
    await using upstream = await startUpstream()
    const { engine, time } = await withBrokenCircuit(upstream)
    expect(upstream.completions).toHaveLength(FAILURES)

    upstream.script = {}
    time.nowMs = 4_000
    const failure = { code: 'upstream-failed', retryAfterSeconds: 11 }
    expect(await failureOf(engine)).toMatchObject(failure)
    expect(await engine.check()).toBe('down')
    expect(upstream.calls).toHaveLength(FAILURES)
  })

  it('is asked by one call after a while, others fail at once, and is left alone again if it fails', async () => {
    await using upstream = await startUpstream()
    const { engine, time } = await withBrokenCircuit(upstream)
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

  it('is taken back when that call succeeds', async () => {
    await using upstream = await startUpstream()
    const { engine, time } = await withBrokenCircuit(upstream)
    time.nowMs = OPEN_MS
    upstream.script = {}
    expect(textOf(await read(engine.answer(turn(), never)))).toBe('Hello from upstream.')
    expect(await engine.check()).toBe('up')

    upstream.script = { status: 500 }
    for (let calls = 1; calls < FAILURES; calls++) await failureOf(engine)
    upstream.script = {}
    expect(await failureOf(engine)).toBeUndefined()
  })

  it('is neither taken back nor left alone longer when that call is given up by its caller', async () => {
    await using upstream = await startUpstream()
    const { engine, time } = await withBrokenCircuit(upstream)
    time.nowMs = OPEN_MS
    upstream.script = { stallAfter: 0 }
    const abort = new AbortController()
    const probe = failureOf(engine, abort.signal)
    await upstream.completion(FAILURES + 1)
    const reason = new Error('the visitor left')
    abort.abort(reason)
    expect(await probe).toBe(reason)
    expect(await engine.check()).toBe('down')

    upstream.script = {}
    expect(await failureOf(engine)).toBeUndefined()
    expect(await engine.check()).toBe('up')
  })

  it.each([400, 403, 404, 413, 422])('because of what it is asked (%i) is not', async (status) => {
    await using upstream = await startUpstream({ status })
    const { engine } = engineFor(upstream, { model: 'any' })

    for (let calls = 0; calls <= FAILURES; calls++) await failureOf(engine)

    expect(upstream.completions).toHaveLength(FAILURES + 1)
  })

  it('but answers first is not', async () => {
    await using upstream = await startUpstream({ errorAfter: 1 })
    const { engine } = engineFor(upstream, { model: 'any' })

    for (let calls = 0; calls <= FAILURES; calls++) await failureOf(engine)

    expect(upstream.completions).toHaveLength(FAILURES + 1)
  })
})

/** Takes connections and never says a word: a TLS handshake with it does not end. */
async function startMute() {
  const sockets: Socket[] = []
  const server = createServer((socket) => void sockets.push(socket.on('error', () => undefined)))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `https://127.0.0.1:${port}/v1`,
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

describe('a connection that does not come about', () => {
  const options = { model: 'any', idleTimeoutMs: 5_000, random: () => 0.5 }

  it('is upstream-timeout, after as many tries as any other', async () => {
    await using mute = await startMute()
    const clock = clockThatSkips()
    const engine = new OpenAiCompatibleEngine({ ...mute, ...options, clock, connectTimeoutMs: 50 })

    await expect(read(engine.answer(turn(), never))).rejects.toMatchObject({
      code: 'upstream-timeout',
    })
    expect(mute.sockets).toHaveLength(3)
  })

  it('is given up when the time without a chunk is over', async () => {
    await using mute = await startMute()
    const clock = new TestClock()
    const engine = new OpenAiCompatibleEngine({ ...mute, ...options, clock })
    const failing = read(engine.answer(turn(), never))
    failing.catch(() => undefined)
    await until(() => mute.sockets.length > 0)

    await clock.advance(5_000)

    await expect(failing).rejects.toMatchObject({ code: 'upstream-timeout' })
    expect(clock.pending).toBe(0)
  })

  it('does not hold up an abort', async () => {
    await using mute = await startMute()
    const engine = new OpenAiCompatibleEngine({ ...mute, ...options, clock: new TestClock() })
    const abort = new AbortController()
    const reason = new Error('the visitor left')
    const failing = read(engine.answer(turn(), abort.signal))
    failing.catch(() => undefined)
    await until(() => mute.sockets.length > 0)

    abort.abort(reason)

    await expect(failing).rejects.toBe(reason)
  })
})

describe('an abort', () => {
  const reason = new Error('the visitor left')

  it.each<[string, UpstreamScript]>([
    ['before the first word', { stallAfter: 0 }],
    ['between two words', { stallAfter: 2 }],
  ])('%s throws the reason and closes the socket', async (_name, script) => {
    await using upstream = await startUpstream(script)
    const { engine } = engineFor(upstream)
    const abort = new AbortController()
    const reading = read(engine.answer(turn(), abort.signal))
    const call = await upstream.completion(1)
    abort.abort(reason)
    await expect(reading).rejects.toBe(reason)

    await call.closed
    expect(call.aborted).toBe(true)
  })

  it('while nobody reads closes the socket all the same', async () => {
    await using upstream = await startUpstream({ endless: true })
    const { engine } = engineFor(upstream)
    const abort = new AbortController()
    const parts = engine.answer(turn(), abort.signal)
    await parts.next()
    abort.abort(reason)

    await upstream.completions[0]!.closed

    await expect(read(parts)).rejects.toBe(reason)
  })

  it('that came first asks nobody', async () => {
    await using upstream = await startUpstream()
    const { engine } = engineFor(upstream)

    await expect(read(engine.answer(turn(), AbortSignal.abort(reason)))).rejects.toBe(reason)
    expect(upstream.calls).toEqual([])
  })

  it('during the wait before another try throws the reason', async () => {
    await using upstream = await startUpstream({ status: 503 })
    const abort = new AbortController()
    const { engine } = engineFor(upstream, {
      clock: {
        ...systemClock,
        wait: async (ms, signal) => {
          if (ms >= 1_000) return systemClock.wait(ms, signal)
          abort.abort(reason)
          signal?.throwIfAborted()
        },
      },
    })

    await expect(read(engine.answer(turn(), abort.signal))).rejects.toBe(reason)
    expect(upstream.completions).toHaveLength(1)
  })

  it('is not needed when the reader simply stops: the socket closes', async () => {
    await using upstream = await startUpstream({ endless: true })
    const { engine } = engineFor(upstream)
    for await (const part of engine.answer(turn(), never)) if (part.type === 'text') break

    await upstream.completions[0]!.closed

    expect(upstream.completions[0]!.aborted).toBe(true)
  })
})

it('an endless answer is read only as fast as it is taken', async () => {
  await using upstream = await startUpstream({ endless: true, words: ['x'.repeat(64 * 1024)] })
  const { engine } = engineFor(upstream)
  const parts = engine.answer(turn(), never)
  await parts.next()
  const call = upstream.completions[0]!
  for (let before = -1; before !== call.bytesWritten;) {
    before = call.bytesWritten
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  expect(call.bytesWritten).toBeLessThan(32 * 1024 * 1024)

  await parts.return(undefined)
})
