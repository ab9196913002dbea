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

function brokenGzip(): UpstreamScript {
  const body = gzipSync(SOUND_STREAM).subarray(0, -12)
  const headers = { 'Content-Encoding': 'gzip' }
  return { reply: { contentType: 'text/event-stream', body, headers } }
}

/** The same body, said to be so many bytes longer than it is. */
function withLength({ reply: instead }: UpstreamScript, longer: number): UpstreamScript {
  const length = Buffer.byteLength(instead!.body) + longer
  return { reply: { ...instead!, headers: { 'Content-Length': String(length) } } }
}

describe('an upstream that fails', () => {
  it.each<[string, UpstreamScript, number]>([
    ['answers 500', { status: 500 }, 0],
    ['answers HTML', { reply: { contentType: 'text/html', body: '<p>hi' } }, 0],
    ['answers one JSON', { reply: { contentType: 'application/json', body: '{}' } }, 0],
    ['answers one JSON of an error', wholeOf({ error: { message: 'no' } }), 0],
    ['answers one JSON beyond 4 MB', wholeOf({ choices: [], x: 'x'.repeat(5_000_000) }), 0],
    ['answers one JSON that is shorter than it said', withLength(wholeOf(WHOLE), 10), 0],
    ['answers text', { reply: { contentType: 'text/plain', body: 'data, and no stream' } }, 0],
    ['sends garbage', { garbageAfter: 1 }, 1],
    ['sends an error object', { errorAfter: 2 }, 2],
    ['drops the connection midway', { dropAfter: 2 }, 2],
    ['ends without an end', { withoutFinish: true, withoutDone: true }, 4],
    ['lists no model', { models: [] }, 0],
    ['lists models with 500', { modelsStatus: 500 }, 0],
    ['sends an event without end', { words: ['x'.repeat(2_000_000)] }, 0],
    ['sends a line without end', { endlessPreamble: 'x'.repeat(100_000) }, 0],
    ['sends an event of lines without end', { endlessPreamble: 'data: x\n'.repeat(1_000) }, 0],
    ['ends before it began', streamOf([]), 0],
    ['sends an array', streamOf(['data: []']), 0],
    ['is compressed and broken', brokenGzip(), 1],
    ['is shorter than it said', withLength(streamOf([says('Hi')]), 10), 1],
    ['is longer than it said', withLength(streamOf([says('Hi'), says('!')]), -30), 1],
  ])('that %s is upstream-failed, after the words that came', async (_name, script, words) => {
    const { failure, parts, completions } = await play(script)

    expect(failure?.code).toBe('upstream-failed')
    expect(parts.map((part) => part.type)).toEqual(Array(words).fill('text'))
    expect(completions.length).toBeLessThanOrEqual(1)
  })

  it.each([0, 1, 3])(
    'that goes silent after %i words is upstream-timeout, and is hung up on',
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
  ])('that sends %s for ever is upstream-timeout', async (_name, endlessPreamble) => {
    await using upstream = await startUpstream({ endlessPreamble })
    const clock = new TestClock()
    const { engine } = engineFor(upstream, { clock, idleTimeoutMs: 5_000 })
    const failing = read(engine.answer(turn(), never))
    failing.catch(() => undefined)
    const call = await upstream.completion(1)
    // More than the line holds: what came since then was read since then.
    const readOn = async (before = call.bytesWritten) =>
      until(() => call.bytesWritten > before + 16 * 1024 * 1024)
    await readOn()
    await clock.advance(3_000)
    await readOn()
    await clock.advance(2_000)
    await expect(failing).rejects.toMatchObject({ code: 'upstream-timeout' })

    await call.closed
    expect(clock.pending).toBe(0)
  })

  it('that thinks aloud for ever is upstream-timeout after half an hour', async () => {
    const thought = { choices: [{ index: 0, delta: { reasoning_content: 'Hm. ' } }] }
    await using upstream = await startUpstream({
      endlessPreamble: `data: ${JSON.stringify(thought)}\n\n`,
    })
    let nowMs = 0
    let looks = 0
    const monotonicMs = () => (looks++, nowMs)
    const { engine } = engineFor(upstream, { clock: { ...clockThatSkips(), monotonicMs } })
    const failing = read(engine.answer(turn(), never))
    failing.catch(() => undefined)
    await until(() => looks > 1)
    nowMs = 29 * 60_000
    const before = looks
    await until(() => looks > before + 100)
    const [call] = upstream.completions
    expect(call!.aborted).toBe(false)

    nowMs = 31 * 60_000
    await expect(failing).rejects.toMatchObject({ code: 'upstream-timeout' })

    await call!.closed
  })

  it.each([429, 502, 503, 504])(
    'with %i is asked again, after a wait that grows',
    async (status) => {
      const { parts, waits } = await play({ refusals: [status, status] })

      expect(textOf(parts)).toBe('Hello from upstream.')
      expect(waits).toEqual([150, 300])
    },
  )

  it('that breaks after its head and before the first chunk is asked again', async () => {
    const { parts, completions } = await play({ resets: 2 })

    expect(textOf(parts)).toBe('Hello from upstream.')
    expect(completions).toHaveLength(3)
  })

  it.each([
    ['2', 2_000],
    ['Thu, 01 Jan 2026 00:00:03 GMT', 3_000],
    ['soon', 150],
  ])('and says Retry-After: %s is asked again then', async (retryAfter, expectedMs) => {
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
    // The last one is what is left for usage and [DONE].
    expect(waits[0]).toBe(expectedMs)
  })

  it('and wants a pause longer than we take is not asked again, and its caller is told', async () => {
    const { failure, completions } = await play({ status: 503, retryAfter: '6' })

    expect(failure).toMatchObject({ code: 'upstream-failed', retryAfterSeconds: 6 })
    expect(completions).toHaveLength(1)
  })

  it('is asked at most three times', async () => {
    const { failure, completions } = await play({ status: 503 })

    expect(failure?.code).toBe('upstream-failed')
    expect(completions).toHaveLength(3)
  })

  it('cannot send the conversation to another server', async () => {
    await using other = await startUpstream()

    const { failure } = await play({ redirectTo: `${other.url}/chat/completions` })

    expect(failure?.code).toBe('upstream-failed')
    expect(other.calls).toEqual([])
  })

  it('is not blamed for the time that the reader takes', async () => {
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

  it('is never asked again once words came', async () => {
    const { completions } = await play({ dropAfter: 1 })

    expect(completions).toHaveLength(1)
  })

  it('and is not there at all is upstream-failed, and found again when it is back', async () => {
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

  it('never puts its key or its address into the message', async () => {
    await using upstream = await startUpstream({ status: 401 })
    const { host } = new URL(upstream.url)
    const { engine } = engineFor(upstream)
    const refused = await read(engine.answer(turn(), never)).catch((error: unknown) => error)
    await upstream.close()
    const gone = await read(engine.answer(turn(), never)).catch((error: unknown) => error)
    for (const failure of [refused, gone]) {
      expect(failure).toBeInstanceOf(EngineFailure)
      expect(String(failure) + JSON.stringify(failure)).not.toMatch(
        new RegExp(`${KEY}|${host}|127`),
      )
      expect((failure as EngineFailure).cause).toBeUndefined()
    }

    await upstream.listen()
  })
})
