import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { EngineFailure } from '../../src/engine/engine.ts'
import type { EnginePart } from '../../src/engine/engine.ts'
import { systemClock } from '../../src/ports/clock/clock.ts'
import { TestClock } from '../support/clock/clock.ts'
import { until } from '../support/clock/until.ts'
import { startUpstream } from '../support/upstream/upstream.ts'
import type { UpstreamScript } from '../support/upstream/upstream.ts'
import {
  KEY,
  SOUND_STREAM,
  WHOLE,
  clockThatSkips,
  engineFor,
  never,
  play,
  read,
  says,
  streamOf,
  textOf,
  turn,
  wholeOf,
} from './openai-compatible.given.ts'

const PADDING = 'x'.repeat(50_000)

function truncatedGzip(): UpstreamScript {
  const body = gzipSync(SOUND_STREAM).subarray(0, -12)
  const headers = { 'Content-Encoding': 'gzip' }
  return { reply: { contentType: 'text/event-stream', body, headers } }
}

/** The same reply with a Content-Length that is too large by these bytes. */
function withWrongLength({ reply }: UpstreamScript, excessBytes: number): UpstreamScript {
  const length = Buffer.byteLength(reply!.body) + excessBytes
  return { reply: { ...reply!, headers: { 'Content-Length': String(length) } } }
}

describe('an upstream', () => {
  it.each<[string, UpstreamScript, number]>([
    ['responds with 500', { status: 500 }, 0],
    ['responds with HTML', { reply: { contentType: 'text/html', body: '<p>hi' } }, 0],
    ['responds with empty JSON', { reply: { contentType: 'application/json', body: '{}' } }, 0],
    ['responds with a JSON error', wholeOf({ error: { message: 'no' } }), 0],
    ['responds with JSON beyond 4 MB', wholeOf({ choices: [], x: 'x'.repeat(5_000_000) }), 0],
    ['responds with JSON shorter than Content-Length', withWrongLength(wholeOf(WHOLE), 10), 0],
    [
      'responds with text',
      { reply: { contentType: 'text/plain', body: 'data, and no stream' } },
      0,
    ],
    ['sends garbage', { garbageAfter: 1 }, 1],
    ['sends an error object', { errorAfter: 2 }, 2],
    ['drops the connection midway', { dropAfter: 2 }, 2],
    [
      'ends the stream without finish reason and [DONE]',
      { withoutFinish: true, withoutDone: true },
      4,
    ],
    ['lists no model', { models: [] }, 0],
    ['lists models with 500', { modelsStatus: 500 }, 0],
    ['sends an endless event', { words: ['x'.repeat(2_000_000)] }, 0],
    ['sends an endless line', { endlessPreamble: 'x'.repeat(100_000) }, 0],
    ['sends an event of endless lines', { endlessPreamble: 'data: x\n'.repeat(1_000) }, 0],
    ['sends an empty stream', streamOf([]), 0],
    ['sends an array', streamOf(['data: []']), 0],
    ['sends a truncated gzip', truncatedGzip(), 1],
    ['sends less than Content-Length', withWrongLength(streamOf([says('Hi')]), 10), 1],
    ['sends more than Content-Length', withWrongLength(streamOf([says('Hi'), says('!')]), -30), 1],
  ])('that %s is upstream-failed, after the words that arrived', async (_name, script, words) => {
    const { failure, parts, completions } = await play(script)

    expect(failure?.code).toBe('upstream-failed')
    expect(parts.map((part) => part.type)).toEqual(Array(words).fill('text'))
    expect(completions.length).toBeLessThanOrEqual(1)
  })

  it.each([0, 1, 3])(
    'that falls silent after %i words is upstream-timeout, and is disconnected',
    async (stallAfter) => {
      await using upstream = await startUpstream({ stallAfter })
      const { engine } = engineFor(upstream, { idleTimeoutMs: 50, clock: systemClock })
      const parts: EnginePart[] = []

      await expect(read(engine.answer(turn(), never), parts)).rejects.toMatchObject({
        code: 'upstream-timeout',
      })
      expect(parts).toHaveLength(stallAfter)
      await upstream.completions[0]!.closed
      expect(upstream.completions[0]!.aborted).toBe(true)
    },
  )

  it.each<[string, string]>([
    ['comments', `: ${PADDING}\n\n`],
    ['empty events', `data:\nx: ${PADDING}\n\n`],
    ['empty chunks', `data: {"x":"${PADDING}","choices":[{"delta":{"content":""}}]}\n\n`],
  ])('that sends endless %s is upstream-timeout', async (_name, endlessPreamble) => {
    await using upstream = await startUpstream({ endlessPreamble })
    const clock = new TestClock()
    const { engine } = engineFor(upstream, { clock, idleTimeoutMs: 5_000 })
    const failing = read(engine.answer(turn(), never))
    failing.catch(() => undefined)
    const call = await upstream.completion(1)
    // More than the buffers of a connection hold: the engine has read some of it.
    const untilRead = async (before = call.bytesWritten) =>
      until(() => call.bytesWritten > before + 16 * 1024 * 1024)
    await untilRead()

    await clock.advance(3_000)
    await untilRead()
    await clock.advance(2_000)

    await expect(failing).rejects.toMatchObject({ code: 'upstream-timeout' })
    await call.closed
    expect(clock.pending).toBe(0)
  })

  it('that sends endless reasoning is upstream-timeout after 30 minutes', async () => {
    const reasoning = { choices: [{ index: 0, delta: { reasoning_content: 'Hm. ' } }] }
    await using upstream = await startUpstream({
      endlessPreamble: `data: ${JSON.stringify(reasoning)}\n\n`,
    })
    let nowMs = 0
    let clockReads = 0
    const monotonicMs = () => (clockReads++, nowMs)
    const { engine } = engineFor(upstream, { clock: { ...clockThatSkips(), monotonicMs } })
    const failing = read(engine.answer(turn(), never))
    failing.catch(() => undefined)
    await until(() => clockReads > 1)
    nowMs = 29 * 60_000
    const before = clockReads
    await until(() => clockReads > before + 100)
    const [call] = upstream.completions
    expect(call!.aborted).toBe(false)

    nowMs = 31 * 60_000

    await expect(failing).rejects.toMatchObject({ code: 'upstream-timeout' })
    await call!.closed
  })

  it('cannot redirect the conversation to another server', async () => {
    await using other = await startUpstream()

    const { failure } = await play({ redirectTo: `${other.url}/chat/completions` })

    expect(failure?.code).toBe('upstream-failed')
    expect(other.calls).toEqual([])
  })

  it('has no running timeout while the reader is busy', async () => {
    await using upstream = await startUpstream()
    const running = new Set<AbortSignal>()
    const wait = (ms: number, signal = never) => {
      running.add(signal)
      signal.addEventListener('abort', () => running.delete(signal))
      return systemClock.wait(ms, signal)
    }
    const { engine } = engineFor(upstream, { clock: { ...systemClock, wait } })
    const parts = engine.answer(turn(), never)

    for (let part = await parts.next(); !part.done; part = await parts.next()) {
      expect(running.size).toBe(0)
    }
  })

  it('that is unreachable is upstream-failed, and is used again when it is back', async () => {
    const upstream = await startUpstream()
    const port = Number(new URL(upstream.url).port)
    const { engine, waits } = engineFor(upstream)
    await upstream.close()

    await expect(read(engine.answer(turn(), never))).rejects.toMatchObject({
      code: 'upstream-failed',
    })
    expect(waits).toHaveLength(2)
    await upstream.listen(port)
    expect(textOf(await read(engine.answer(turn(), never)))).toBe('Hello from upstream.')
    await upstream.close()
  })

  it('does not reveal its key or address in the failure', async () => {
    await using upstream = await startUpstream({ status: 401 })
    const { host } = new URL(upstream.url)
    const { engine } = engineFor(upstream)

    const refusal = await read(engine.answer(turn(), never)).catch((error: unknown) => error)
    await upstream.close()
    const unreachable = await read(engine.answer(turn(), never)).catch((error: unknown) => error)

    for (const failure of [refusal, unreachable]) {
      expect(failure).toBeInstanceOf(EngineFailure)
      expect(String(failure) + JSON.stringify(failure)).not.toMatch(
        new RegExp(`${KEY}|${host}|127`),
      )
      expect((failure as EngineFailure).cause).toBeUndefined()
    }
    await upstream.listen()
  })
})
