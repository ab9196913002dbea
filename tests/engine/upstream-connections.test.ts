import { createServer, type AddressInfo, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { OpenAiCompatibleEngine } from '../../src/engine/upstream/openai-compatible.ts'
import { systemClock } from '../../src/ports/clock/clock.ts'
import { TestClock } from '../support/clock/clock.ts'
import { until } from '../support/clock/until.ts'
import { startUpstream, type UpstreamScript } from '../support/upstream/upstream.ts'
import { clockThatSkips, engineFor, never, read, turn } from './openai-compatible.given.ts'

/** Accepts connections and sends nothing: a TLS handshake with it does not end. */
async function startSilentServer() {
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

describe('a connection that cannot be established', () => {
  const options = { model: 'any', idleTimeoutMs: 5_000, random: () => 0.5 }

  it('is upstream-timeout after three attempts', async () => {
    await using silent = await startSilentServer()
    const clock = clockThatSkips()
    const engine = new OpenAiCompatibleEngine({
      ...silent,
      ...options,
      clock,
      connectTimeoutMs: 50,
    })

    await expect(read(engine.answer(turn(), never))).rejects.toMatchObject({
      code: 'upstream-timeout',
    })
    expect(silent.sockets).toHaveLength(3)
  })

  it('is upstream-timeout after the idle timeout', async () => {
    await using silent = await startSilentServer()
    const clock = new TestClock()
    const engine = new OpenAiCompatibleEngine({ ...silent, ...options, clock })
    const failing = read(engine.answer(turn(), never))
    failing.catch(() => undefined)
    await until(() => silent.sockets.length > 0)

    await clock.advance(5_000)

    await expect(failing).rejects.toMatchObject({ code: 'upstream-timeout' })
    expect(clock.pending).toBe(0)
  })

  it('does not delay an abort', async () => {
    await using silent = await startSilentServer()
    const engine = new OpenAiCompatibleEngine({ ...silent, ...options, clock: new TestClock() })
    const abort = new AbortController()
    const reason = new Error('the caller left')
    const failing = read(engine.answer(turn(), abort.signal))
    failing.catch(() => undefined)
    await until(() => silent.sockets.length > 0)

    abort.abort(reason)

    await expect(failing).rejects.toBe(reason)
  })
})

describe('an abort', () => {
  const reason = new Error('the caller left')

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

  it('closes the socket while no part is being read', async () => {
    await using upstream = await startUpstream({ endless: true })
    const { engine } = engineFor(upstream)
    const abort = new AbortController()
    const parts = engine.answer(turn(), abort.signal)
    await parts.next()

    abort.abort(reason)

    await upstream.completions[0]!.closed
    await expect(read(parts)).rejects.toBe(reason)
  })

  it('before the call sends no request', async () => {
    await using upstream = await startUpstream()
    const { engine } = engineFor(upstream)

    await expect(read(engine.answer(turn(), AbortSignal.abort(reason)))).rejects.toBe(reason)
    expect(upstream.calls).toEqual([])
  })

  it('during the wait before a retry throws the reason', async () => {
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

  it('is not needed to close the socket when the reader stops', async () => {
    await using upstream = await startUpstream({ endless: true })
    const { engine } = engineFor(upstream)

    for await (const part of engine.answer(turn(), never)) if (part.type === 'text') break

    await upstream.completions[0]!.closed
    expect(upstream.completions[0]!.aborted).toBe(true)
  })
})

it('an endless answer is read from the socket only as fast as the reader takes it', async () => {
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
