import { describe, expect, it } from 'vitest'
import { defaultMode, modes } from '../../src/domain/modes.ts'
import { EngineFailure } from '../../src/engine/engine.ts'
import type { EnginePart, Turn } from '../../src/engine/engine.ts'
import { OpenAiCompatibleEngine } from '../../src/engine/openai-compatible.ts'
import type { OpenAiCompatibleOptions } from '../../src/engine/openai-compatible.ts'
import { systemClock } from '../../src/ports/clock.ts'
import { startUpstream } from '../support/upstream.ts'
import type { TestUpstream, UpstreamScript } from '../support/upstream.ts'

const never = new AbortController().signal
const KEY = 'sk-very-secret'
const SOUND_STREAM = 'data: {"choices":[{"delta":{"content":"Hi"}}]}\n\ndata: [DONE]\n\n'

function turn(text = 'Hi', mode = defaultMode): Turn {
  return { conversationId: 'c1', mode, messages: [{ role: 'user', content: text }] }
}

function engineFor(upstream: TestUpstream, options: Partial<OpenAiCompatibleOptions> = {}) {
  const waits: number[] = []
  const engine = new OpenAiCompatibleEngine({
    url: upstream.url,
    key: KEY,
    idleTimeoutMs: 5_000,
    clock: clockThatSkips(waits),
    random: () => 0.5,
    ...options,
  })
  return { engine, waits }
}

/** Skips the waits between tries and never ends the long ones, which only a silent upstream would. */
function clockThatSkips(waits: number[] = []) {
  return {
    monotonicMs: () => 0,
    wait: async (ms: number, signal?: AbortSignal) => {
      if (ms >= 1_000) return systemClock.wait(60_000, signal)
      waits.push(ms)
    },
  }
}

async function read(parts: AsyncIterable<EnginePart>, into: EnginePart[] = []) {
  for await (const part of parts) into.push(part)
  return into
}

function textOf(parts: EnginePart[]): string {
  return parts.map((part) => (part.type === 'text' ? part.text : '')).join('')
}

/** Plays the script and gives what came and how it failed. */
async function play(script: UpstreamScript, options?: Partial<OpenAiCompatibleOptions>) {
  await using upstream = await startUpstream(script)
  const { engine, waits } = engineFor(upstream, options)
  const parts: EnginePart[] = []
  const failure = await read(engine.answer(turn(), never), parts).then(
    () => undefined,
    (error: unknown) => error,
  )
  if (failure !== undefined) expect(failure).toBeInstanceOf(EngineFailure)
  const { calls, completions } = upstream
  return { parts, failure: failure as EngineFailure | undefined, waits, calls, completions }
}

describe('an answer from an upstream', () => {
  it('comes in pieces and ends once, with the model and the usage that the upstream told', async () => {
    const { parts } = await play({})
    expect(textOf(parts)).toBe('Hello from upstream.')
    expect(parts.filter((part) => part.type === 'text')).toHaveLength(4)
    expect(parts.at(-1)).toEqual({
      type: 'end',
      model: 'test-model',
      usage: { inputTokens: 11, outputTokens: 4, totalTokens: 15, source: 'upstream' },
    })
    expect(parts.filter((part) => part.type === 'end')).toHaveLength(1)
  })

  it('is asked with the prompt and the sampling of the mode, the key, and usage included', async () => {
    await using upstream = await startUpstream()
    const { engine } = engineFor(upstream, { model: 'chosen' })
    const mode = modes[1]!
    await read(engine.answer(turn('Hi', mode), never))
    const { body, headers } = upstream.completions[0]!
    expect(headers.authorization).toBe(`Bearer ${KEY}`)
    expect(body).toEqual({
      model: 'chosen',
      messages: [
        { role: 'system', content: mode.systemPrompt },
        { role: 'user', content: 'Hi' },
      ],
      temperature: mode.temperature,
      top_p: mode.topP,
      max_tokens: mode.maxOutputTokens,
      stream: true,
      stream_options: { include_usage: true },
    })
  })

  it('needs no key and sends no empty system prompt', async () => {
    await using upstream = await startUpstream()
    const engine = new OpenAiCompatibleEngine({
      url: `${upstream.url}/`,
      idleTimeoutMs: 5_000,
      clock: clockThatSkips(),
      random: () => 0.5,
    })
    await read(engine.answer(turn('Hi', { ...defaultMode, systemPrompt: '' }), never))
    expect(upstream.completions[0]!.headers.authorization).toBeUndefined()
    expect(upstream.completions[0]!.body.messages).toHaveLength(1)
  })

  it('uses the first model that the upstream lists, asked once', async () => {
    await using upstream = await startUpstream({ models: ['first', 'second'] })
    const { engine } = engineFor(upstream)
    await read(engine.answer(turn(), never))
    await read(engine.answer(turn(), never))
    expect(upstream.completions.map(({ body }) => String(body.model))).toEqual(['first', 'first'])
    expect(upstream.calls.filter(({ path }) => path === '/v1/models')).toHaveLength(1)
    expect(engine.model).toBe('first')
  })

  it('takes usage from the last choice too, and estimates when it is never told', async () => {
    const told = await play({ usage: 'in-last-choice' })
    expect(told.parts.at(-1)).toMatchObject({ usage: { totalTokens: 15, source: 'upstream' } })
    const silent = await play({ usage: 'never' })
    expect(silent.parts.at(-1)).toMatchObject({ usage: { outputTokens: 5, source: 'estimated' } })
  })

  it('stays whole when bytes split inside a character or a line', async () => {
    const { parts } = await play({ words: ['안녕', '하세요 ', '😀é'], bytesPerWrite: 1 })
    expect(textOf(parts)).toBe('안녕하세요 😀é')
  })

  it('keeps a surrogate pair that two chunks share, and replaces lone surrogates and U+0000', async () => {
    const { parts } = await play({ words: ['\ud83d', '\ude00', 'a\0b', '\ud800', 'c', '\ud83d'] })
    expect(textOf(parts)).toBe('😀a\ufffdb\ufffdc\ufffd')
  })

  it('leaves out reasoning and comments', async () => {
    const { parts } = await play({ reasoning: true, preamble: ': PROCESSING\n\n', words: ['Yes.'] })
    expect(textOf(parts)).toBe('Yes.')
  })

  it('is complete with a finish reason or [DONE] alone, and when the server then stays open', async () => {
    expect((await play({ withoutDone: true })).parts.at(-1)?.type).toBe('end')
    expect((await play({ withoutFinish: true })).parts.at(-1)?.type).toBe('end')
    // Only the second that is left for usage and [DONE] ever passes.
    const wait = (ms: number, signal?: AbortSignal) =>
      systemClock.wait(ms === 1_000 ? 20 : 60_000, signal)
    const clock = { ...systemClock, wait }
    const open = await play({ withoutDone: true, staysOpen: true }, { clock })
    expect(open.parts.at(-1)?.type).toBe('end')
  })
})

describe('an upstream that fails', () => {
  it.each<[string, UpstreamScript, number]>([
    ['answers 500', { status: 500 }, 0],
    ['answers 401', { status: 401 }, 0],
    ['answers HTML', { instead: { contentType: 'text/html', body: '<p>hi' } }, 0],
    ['answers one JSON', { instead: { contentType: 'application/json', body: '{}' } }, 0],
    ['calls its stream text', { instead: { contentType: 'text/plain', body: SOUND_STREAM } }, 0],
    ['sends garbage', { garbageAfter: 1 }, 1],
    ['sends an error object', { errorAfter: 2 }, 2],
    ['drops the connection midway', { dropAfter: 2 }, 2],
    ['ends without an end', { withoutFinish: true, withoutDone: true }, 4],
    ['lists no model', { models: [] }, 0],
    ['lists models with 500', { modelsStatus: 500 }, 0],
    ['sends an event without end', { words: ['x'.repeat(2_000_000)] }, 0],
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

  it.each([429, 502, 503])('with %i is asked again, after a wait that grows', async (status) => {
    const { parts, waits } = await play({ refusals: [status, status] })
    expect(textOf(parts)).toBe('Hello from upstream.')
    expect(waits).toEqual([150, 300])
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
        monotonicMs: () => 0,
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

describe('the check of an upstream', () => {
  it('is up when it lists models and down when it does not, asked once for callers close together', async () => {
    await using upstream = await startUpstream()
    let nowMs = 0
    const clock = { ...systemClock, monotonicMs: () => nowMs }
    const { engine } = engineFor(upstream, { clock })
    expect(await Promise.all([engine.check(), engine.check()])).toEqual(['up', 'up'])
    expect(upstream.calls).toHaveLength(1)
    upstream.script = { modelsStatus: 500 }
    expect(await engine.check()).toBe('up')
    nowMs = 4_999
    expect(await engine.check()).toBe('up')
    nowMs = 5_000
    expect(await engine.check()).toBe('down')
  })
})
