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
  it('comes in pieces and ends once, with the model and the usage that the upstream told', async () => {
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
