import { describe, expect, it } from 'vitest'
import { defaultMode, modes } from '../../src/domain/chat/modes.ts'
import { OpenAiCompatibleEngine } from '../../src/engine/upstream/openai-compatible.ts'
import { systemClock } from '../../src/ports/clock/clock.ts'
import { startUpstream } from '../support/upstream/upstream.ts'
import {
  KEY,
  clockThatSkips,
  engineFor,
  never,
  play,
  read,
  textOf,
  turn,
} from './openai-compatible.given.ts'

describe('an answer from an upstream', () => {
  it('arrives in pieces and ends once, with the model and usage that the upstream reports', async () => {
    const { parts } = await play({})

    expect(textOf(parts)).toBe('Hello from upstream.')
    expect(parts.filter((part) => part.type === 'text')).toHaveLength(4)
    expect(parts.at(-1)).toEqual({
      type: 'end',
      model: 'test-model',
      finishReason: 'stop',
      usage: { inputTokens: 11, outputTokens: 4, totalTokens: 15, source: 'upstream' },
    })
    expect(parts.filter((part) => part.type === 'end')).toHaveLength(1)
  })

  it('has the usage of the last choice, or an estimate when none is reported', async () => {
    const reported = await play({ usage: 'in-last-choice' })
    const unreported = await play({ usage: 'never' })

    expect(reported.parts.at(-1)).toMatchObject({ usage: { totalTokens: 15, source: 'upstream' } })
    expect(unreported.parts.at(-1)).toMatchObject({
      usage: { outputTokens: 5, source: 'estimated' },
    })
  })

  it('stays whole when the bytes are split inside characters and lines', async () => {
    const { parts } = await play({ words: ['안녕', '하세요 ', '😀é'], bytesPerWrite: 1 })

    expect(textOf(parts)).toBe('안녕하세요 😀é')
  })

  it('keeps a surrogate pair that two chunks share, and replaces lone surrogates and U+0000', async () => {
    const { parts } = await play({ words: ['\ud83d', '\ude00', 'a\0b', '\ud800', 'c', '\ud83d'] })

    expect(textOf(parts)).toBe('😀a\ufffdb\ufffdc\ufffd')
  })

  it('contains neither reasoning nor comments', async () => {
    const { parts } = await play({ reasoning: true, preamble: ': PROCESSING\n\n', words: ['Yes.'] })

    expect(textOf(parts)).toBe('Yes.')
  })

  it('is complete with a finish reason or [DONE] alone', async () => {
    expect((await play({ withoutDone: true })).parts.at(-1)?.type).toBe('end')
    expect((await play({ withoutFinish: true })).parts.at(-1)?.type).toBe('end')
  })

  it('is complete with a finish reason while the connection stays open', async () => {
    // Only the second that the engine waits for usage and [DONE] passes.
    const wait = (ms: number, signal?: AbortSignal) =>
      systemClock.wait(ms === 1_000 ? 20 : 60_000, signal)
    const clock = { ...systemClock, wait }

    const { parts } = await play({ withoutDone: true, staysOpen: true }, { clock })

    expect(parts.at(-1)?.type).toBe('end')
  })
})

describe('a request to an upstream', () => {
  it('has the prompt and sampling of the mode and the key, and requests usage', async () => {
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
      max_tokens: mode.maxOutputTokens,
      stream: true,
      stream_options: { include_usage: true },
    })
  })

  it('has neither a missing key nor an empty system prompt', async () => {
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

  it('alternates between user and assistant for any history', async () => {
    await using upstream = await startUpstream()
    const { engine } = engineFor(upstream)
    const messages = [
      { role: 'assistant', content: 'cut off' },
      { role: 'user', content: 'a' },
      { role: 'user', content: 'b' },
      { role: 'assistant', content: 'c' },
      { role: 'user', content: 'd' },
    ] as const
    const mode = { ...defaultMode, systemPrompt: '' }

    await read(engine.answer({ conversationId: 'c1', mode, messages }, never))

    expect(upstream.completions[0]!.body.messages).toEqual([
      { role: 'user', content: 'a\n\nb' },
      { role: 'assistant', content: 'c' },
      { role: 'user', content: 'd' },
    ])
  })
})

describe('the model, when none is configured', () => {
  it('is the first that the upstream lists, in one lookup for all calls', async () => {
    await using upstream = await startUpstream({ models: ['first', 'second'] })
    const { engine } = engineFor(upstream)

    await read(engine.answer(turn(), never))
    await read(engine.answer(turn(), never))

    expect(upstream.completions.map(({ body }) => String(body.model))).toEqual(['first', 'first'])
    expect(upstream.calls.filter(({ path }) => path === '/v1/models')).toHaveLength(1)
    expect(engine.model).toBe('first')
  })

  it('is shown without the folders of a model file, and requested with them', async () => {
    const path = '/home/somebody/models/gemma-3.gguf'
    await using upstream = await startUpstream({ models: [path] })
    const { engine } = engineFor(upstream)

    const parts = await read(engine.answer(turn(), never))

    expect(parts.at(-1)).toMatchObject({ model: 'gemma-3.gguf' })
    expect(engine.model).toBe('gemma-3.gguf')
    expect(upstream.completions[0]!.body.model).toBe(path)
  })
})

describe('the check of an upstream', () => {
  it('reports whether models are listed, and keeps its result for 5 s', async () => {
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
