import { createServer, type AddressInfo, type Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { defaultMode, modes } from '../../src/domain/chat/modes.ts'
import { EngineFailure } from '../../src/engine/engine.ts'
import type { EngineEnd, EngineFailureCode, EnginePart, Turn } from '../../src/engine/engine.ts'
import { OpenAiCompatibleEngine } from '../../src/engine/upstream/openai-compatible.ts'
import type { OpenAiCompatibleOptions } from '../../src/engine/upstream/openai-compatible.ts'
import { systemClock } from '../../src/ports/clock/clock.ts'
import { TestClock } from '../support/clock/clock.ts'
import { until } from '../support/clock/until.ts'
import { startUpstream } from '../support/upstream/upstream.ts'
import type { TestUpstream, UpstreamScript } from '../support/upstream/upstream.ts'

const never = new AbortController().signal
const KEY = 'sk-very-secret'
const PADDING = 'x'.repeat(50_000)
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
    ...systemClock,
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

function brokenGzip(): UpstreamScript {
  const body = gzipSync(SOUND_STREAM).subarray(0, -12)
  const headers = { 'Content-Encoding': 'gzip' }
  return { instead: { contentType: 'text/event-stream', body, headers } }
}

/** The same body, said to be so many bytes longer than it is. */
function withLength({ instead }: UpstreamScript, longer: number): UpstreamScript {
  const length = Buffer.byteLength(instead!.body) + longer
  return { instead: { ...instead!, headers: { 'Content-Length': String(length) } } }
}

/** A stream as these events, each line ended as one likes. */
function streamOf(events: readonly (object | string)[], lineEnd = '\n'): UpstreamScript {
  const lines = events.map((event) =>
    typeof event === 'string' ? event : `data: ${JSON.stringify(event)}`,
  )
  const body = lines.map((line) => line + lineEnd + lineEnd).join('')
  return { instead: { contentType: 'text/event-stream', body } }
}

const says = (content: unknown, more: object = {}) => ({
  choices: [{ index: 0, delta: { content }, ...more }],
})
const DONE = 'data: [DONE]'
const ends = (reason: unknown) => says('', { finish_reason: reason })
const deltaOf = (delta: object) => ({ choices: [{ index: 0, delta }] })
const WHOLE = {
  object: 'chat.completion',
  model: 'whole-1',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Yes' }, finish_reason: 'length' }],
  usage: { prompt_tokens: 2, completion_tokens: 3, total_tokens: 5 },
}

function wholeOf(body: object, contentType = 'application/json'): UpstreamScript {
  return { instead: { contentType, body: JSON.stringify(body) } }
}

describe('whatever a server makes of the format', () => {
  it.each(['\n', '\r', '\r\n'])('lines may end with %j', async (lineEnd) => {
    const events = [': hello', says('One'), 'event: x\ndata:', says(' two'), DONE]
    const { parts } = await play(streamOf(events, lineEnd))
    expect(textOf(parts)).toBe('One two')
    expect(parts.at(-1)?.type).toBe('end')
  })

  it.each<[string, (object | string)[], string]>([
    ['empty events', ['data:', 'data: ', says('Yes'), 'data', DONE], 'Yes'],
    [
      'content that is null or no text',
      [says(null), says(['x']), says('Yes'), says(7), DONE],
      'Yes',
    ],
    [
      'no choices, and no delta',
      [{}, { choices: [] }, { choices: [{}] }, says('Yes'), DONE],
      'Yes',
    ],
    [
      'tool calls',
      [says(null, { delta: { tool_calls: [{ index: 0 }] } }), says('Yes'), DONE],
      'Yes',
    ],
    [
      'other choices than the first',
      [
        { choices: [{ index: 1, delta: { content: 'No' }, finish_reason: 'stop' }] },
        {
          choices: [
            { index: 1, delta: { content: 'No' } },
            { index: 0, delta: { content: 'Yes' } },
          ],
        },
        DONE,
      ],
      'Yes',
    ],
    [
      'one event over several lines',
      ['data: {"choices":[{"delta":\ndata: {"content":"Yes"}}]}', DONE],
      'Yes',
    ],
    ['what comes after the end', [says('Yes'), DONE, says('No'), 'data: {'], 'Yes'],
    ['a stream without [DONE]', [says('Yes', { finish_reason: 'length' })], 'Yes'],
  ])('%s: the answer is what was said, and ends once', async (_name, events, text) => {
    const { parts, failure } = await play(streamOf(events))
    expect(failure).toBeUndefined()
    expect(textOf(parts)).toBe(text)
    expect(parts.filter((part) => part.type === 'end')).toHaveLength(1)
  })

  it.each<[string, (object | string)[]]>([
    ['first', [{ usage: { prompt_tokens: 2, completion_tokens: 3 } }, says('Yes'), DONE]],
    [
      'with every chunk, growing',
      [
        says('Y'),
        { ...says('es'), usage: { prompt_tokens: 2, completion_tokens: 1 } },
        {
          ...says('', { finish_reason: 'stop' }),
          usage: { prompt_tokens: 2, completion_tokens: 3 },
        },
        DONE,
      ],
    ],
    [
      'after the finish',
      [
        says('Yes', { finish_reason: 'stop' }),
        { choices: [], usage: { prompt_tokens: 2, completion_tokens: 3 } },
      ],
    ],
    [
      'in a choice',
      [says('Yes', { finish_reason: 'stop', usage: { prompt_tokens: 2, completion_tokens: 3 } })],
    ],
    [
      'by a vendor',
      [
        { ...says('Yes', { finish_reason: 'stop' }), usage: null },
        { choices: [], x_groq: { usage: { prompt_tokens: 2, completion_tokens: 3 } } },
      ],
    ],
    [
      'in two parts',
      [
        { ...says('Yes'), usage: { prompt_tokens: 2 } },
        { ...ends('stop'), usage: { completion_tokens: 3 } },
      ],
    ],
    [
      'in other words',
      [says('Yes', { finish_reason: 'stop' }), { usage: { input_tokens: 2, output_tokens: 3 } }],
    ],
    [
      'with a total that cannot be',
      [
        says('Yes', { finish_reason: 'stop' }),
        { usage: { prompt_tokens: 2, completion_tokens: 3, total_tokens: 1 } },
      ],
    ],
    [
      'with what it thought beside the answer',
      [
        says('Yes', { finish_reason: 'stop' }),
        {
          usage: {
            ...{ prompt_tokens: 2, completion_tokens: 1, total_tokens: 5 },
            completion_tokens_details: { reasoning_tokens: 2 },
          },
        },
      ],
    ],
    [
      'with what it thought within the answer',
      [
        says('Yes', { finish_reason: 'stop' }),
        {
          usage: {
            ...{ prompt_tokens: 2, completion_tokens: 3, total_tokens: 5 },
            completion_tokens_details: { reasoning_tokens: 2 },
          },
        },
      ],
    ],
  ])('usage that is told %s counts', async (_name, events) => {
    const { parts } = await play(streamOf(events))
    expect(parts.at(-1)).toMatchObject({
      usage: { inputTokens: 2, outputTokens: 3, totalTokens: 5, source: 'upstream' },
    })
  })

  it('a compressed stream is read all the same', async () => {
    const body = gzipSync(SOUND_STREAM)
    const headers = { 'Content-Encoding': 'gzip' }
    const { parts } = await play({ instead: { contentType: 'text/event-stream', body, headers } })
    expect(textOf(parts)).toBe('Hi')
  })

  it('the path of a model file shows as the name of the file, and is what is asked for', async () => {
    const path = '/home/somebody/models/gemma-3.gguf'
    await using upstream = await startUpstream({ models: [path] })
    const { engine } = engineFor(upstream)
    const parts = await read(engine.answer(turn(), never))
    expect(parts.at(-1)).toMatchObject({ model: 'gemma-3.gguf' })
    expect(engine.model).toBe('gemma-3.gguf')
    expect(upstream.completions[0]!.body.model).toBe(path)
  })

  it('is asked with user and assistant in turn, whatever the history is', async () => {
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

describe('why an answer ended', () => {
  it.each([
    ['stop', 'stop'],
    ['STOP', 'stop'],
    ['end_turn', 'stop'],
    ['eos', 'stop'],
    ['eos_token', 'stop'],
    ['stop_sequence', 'stop'],
    ['COMPLETE', 'stop'],
    ['length', 'length'],
    ['MAX_TOKENS', 'length'],
    ['model_length', 'length'],
    ['content_filter', 'contentFilter'],
    ['content-filter', 'contentFilter'],
    ['SAFETY', 'contentFilter'],
    ['sensitive', 'contentFilter'],
    ['tool_calls', undefined],
    ['function_call', undefined],
  ])('is told for %s as %s', async (said, told) => {
    for (const afterwards of [[DONE], []]) {
      const { parts, failure } = await play(streamOf([says('Yes'), ends(said), ...afterwards]))
      expect(failure).toBeUndefined()
      expect(textOf(parts)).toBe('Yes')
      expect((parts.at(-1) as EngineEnd).finishReason).toBe(told)
    }
  })

  it.each([
    ...['error', 'ERROR', 'abort', 'insufficient_system_resource', 'network_error', 'unload'],
    ...['malformed_function_call', 'a reason of next year'],
  ])('is no good end for %s, whatever follows', async (said) => {
    for (const afterwards of [[DONE], []]) {
      const { parts, failure } = await play(streamOf([says('Half'), ends(said), ...afterwards]))
      expect(failure?.code).toBe('upstream-failed')
      expect(failure?.message).toContain(said.includes(' ') ? 'no name' : said.toLowerCase())
      expect(parts).toEqual([{ type: 'text', text: 'Half' }])
    }
  })

  it.each(['', ' ', 'null', null, 7, {}])(
    'is not told by %j: the end of the stream is then none of the answer, and [DONE] is one',
    async (said) => {
      const half = says('Ha', { finish_reason: said })
      const broken = await play(streamOf([half, ends(said)]))
      expect(broken.failure?.code).toBe('upstream-failed')
      const { parts } = await play(streamOf([half, ends(said), DONE]))
      expect((parts.at(-1) as EngineEnd).finishReason).toBeUndefined()
      expect(textOf(parts)).toBe('Ha')
    },
  )

  it('is what it said last, when it says something with every chunk', async () => {
    const { parts } = await play(
      streamOf([says('Yes', { finish_reason: 'running' }), ends('stop')]),
    )
    expect(parts.at(-1)).toMatchObject({ type: 'end', finishReason: 'stop' })
  })

  it.each<[string, (object | string)[]]>([
    ['an object in a choice', [{ choices: [{ index: 0, delta: {}, error: { code: 502 } }] }]],
    ['a text', [{ error: 'overloaded' }]],
    ['an object that calls itself one', [{ object: 'error', message: 'overloaded', code: 500 }]],
    ['a type', [{ type: 'error', message: 'overloaded' }]],
    ['a note of the vendor', [{ choices: [], x_groq: { error: 'overloaded' } }]],
    ['an event of that name', ['event: error\ndata: {"message":"overloaded"}']],
    ['an event of that name with text', ['event: error\ndata: overloaded']],
    ['an event of that name alone', ['event: error']],
    ['an event of a name like it', ['event: server_error\ndata: {}']],
    ['something that is no part of an answer', [{ detail: 'overloaded' }]],
    ['a message', [{ message: 'overloaded', code: 500 }]],
  ])(
    'an error as %s ends it badly, first and midway, and is not told word by word',
    async (_, bad) => {
      for (const before of [[], [says('Half')]]) {
        const { parts, failure } = await play(streamOf([...before, ...bad, ends('stop'), DONE]))
        expect(failure?.code).toBe('upstream-failed')
        expect(failure?.message).not.toContain('overloaded')
        expect(parts).toEqual(before.map(() => ({ type: 'text', text: 'Half' })))
      }
    },
  )

  it.each<[string, object | string]>([
    ['an event of a name of its own', 'event: ping\ndata: {"at":1}'],
    ['an event of a name of its own without JSON', 'event: heartbeat\ndata: still here'],
    ['a ping', { type: 'ping' }],
    ['nothing', {}],
    ['no error', { choices: [], error: null }],
    ['no error as an empty object', { choices: [], error: {} }],
    ['what was filtered of the question', { choices: [], prompt_filter_results: [{}] }],
    ['a chunk without choices', { id: '1', object: 'chat.completion.chunk', model: 'm' }],
  ])('%s disturbs it nowhere', async (_, event) => {
    const { parts, failure } = await play(streamOf([event, says('Yes'), event, ends('stop'), DONE]))
    expect(failure).toBeUndefined()
    expect(textOf(parts)).toBe('Yes')
  })
})

describe('every form of text', () => {
  const think = (text: string) => ({ type: 'thinking', thinking: [{ type: 'text', text }] })
  it.each<[string, object[], string]>([
    [
      'parts of text',
      [
        says([
          { type: 'text', text: 'A' },
          { type: 'text', text: 'B' },
        ]),
      ],
      'AB',
    ],
    ['a part alone', [says({ type: 'text', text: 'A' })], 'A'],
    ['parts of thought and text', [says([think('hm')]), says([think('m'), { text: 'A' }])], 'A'],
    ['parts of other kinds', [says([{ type: 'image_url', image_url: {} }]), says('A')], 'A'],
    ['a refusal', [deltaOf({ refusal: 'I ' }), deltaOf({ refusal: 'cannot.' })], 'I cannot.'],
    ['a part that refuses', [says([{ type: 'refusal', refusal: 'No.' }])], 'No.'],
    ...['reasoning_content', 'reasoning', 'thinking'].map((name): [string, object[], string] => [
      name,
      [deltaOf({ [name]: 'hm' }), says('A')],
      'A',
    ]),
    ['reasoning_details', [deltaOf({ reasoning_details: [{ text: 'hm' }] }), says('A')], 'A'],
    [
      'a summary of thoughts',
      [deltaOf({ content: 'hm', extra_content: { google: { thought: true } } }), says('A')],
      'A',
    ],
  ])('%s: the answer is what is said in it', async (_, events, text) => {
    const { parts } = await play(streamOf([...events, ends('stop'), DONE]))
    expect(textOf(parts)).toBe(text)
  })

  it.each<[string, string, string]>([
    ['a thought', '<think>hm</think>\n\nYes', 'Yes'],
    ['white space before it', '\n <think>\nhm\n</think>Yes', 'Yes'],
    ['two', '<think>a</think>\n<think>b</think>\nYes', 'Yes'],
    ['an empty one', '<think>\n\n</think>\n\nYes', 'Yes'],
    ['its end alone', '</think>\n\nYes', 'Yes'],
    ['marks of another make', '[THINK]hm[/THINK]Yes', 'Yes'],
    ['marks within it', '<think>a <think> b < </thin c</think>Yes', 'Yes'],
    ['a mark within the answer', 'It is <think>this</think>.', 'It is <think>this</think>.'],
    ['a mark within the answer after a thought', '<think>a</think>Say <think>', 'Say <think>'],
    ['what only begins like one', '<thinner> is a word', '<thinner> is a word'],
    ['what only begins like one and ends', '<thi', '<thi'],
    ['white space alone before the answer', '\n\n Yes', '\n\n Yes'],
    ['much of it', `${' '.repeat(5_000)}<think>`, `${' '.repeat(5_000)}<think>`],
  ])('%s at the beginning, wherever it is cut', async (_, said, shown) => {
    for (const size of [1, 3, 7, said.length]) {
      const words = said.match(new RegExp(`[^]{1,${size}}`, 'gu'))!
      const { parts } = await play({ words: words.length > 200 ? [said] : words })
      expect(textOf(parts)).toBe(shown)
    }
  })

  it.each<[string, EngineFailureCode, object[], RegExp]>([
    [
      'calls of tools',
      'upstream-refused',
      [deltaOf({ tool_calls: [{ index: 0 }] }), ends('tool_calls')],
      /tool/,
    ],
    ['the end of a call', 'upstream-refused', [ends('function_call')], /tool/],
    [
      'thoughts up to its length',
      'upstream-refused',
      [deltaOf({ reasoning: 'hm' }), ends('length')],
      /reasoning/,
    ],
    [
      'thoughts in the text up to its length',
      'upstream-refused',
      [says('<think>hm'), ends('length')],
      /reasoning/,
    ],
    ['thoughts', 'upstream-failed', [says('<think>hm</think>\n'), ends('stop')], /reasoning/],
    ['its end', 'upstream-failed', [ends('stop')], /without an answer/],
    ['[DONE]', 'upstream-failed', [], /without an answer/],
  ])('an answer of nothing but %s is %s, with its reason', async (_, code, events, why) => {
    const { failure, parts } = await play(streamOf([says(null), ...events, DONE]))
    expect(failure).toMatchObject({ code, detail: expect.stringMatching(why) })
    expect(failure!.message).not.toBe(failure!.detail)
    expect(parts).toEqual([])
  })

  it('an answer that a filter held back is empty, and says why', async () => {
    const { parts } = await play(streamOf([ends('content_filter'), DONE]))
    expect(parts).toMatchObject([{ type: 'end', finishReason: 'contentFilter' }])
  })
})

describe('a stream under another name', () => {
  it.each(['text/plain', '', 'application/octet-stream', 'application/json', 'text/html'])(
    'is taken as one that is called %j',
    async (contentType) => {
      for (const preamble of ['', ': hello\n\n', '\r\n\r\n', '\ufeff', 'event: message\n']) {
        const { parts } = await play({ instead: { contentType, body: preamble + SOUND_STREAM } })
        expect(textOf(parts)).toBe('Hi')
      }
    },
  )

  it.each(['application/json', 'text/event-stream', 'text/plain', ''])(
    'a whole answer that is called %j is taken as one',
    async (contentType) => {
      const { parts, completions } = await play(wholeOf(WHOLE, contentType))
      expect(parts).toEqual([
        { type: 'text', text: 'Yes' },
        {
          type: 'end',
          model: 'whole-1',
          finishReason: 'length',
          usage: { inputTokens: 2, outputTokens: 3, totalTokens: 5, source: 'upstream' },
        },
      ])
      expect(completions).toHaveLength(1)
    },
  )

  it('a whole answer as the only event of a stream is taken too', async () => {
    const { parts } = await play(streamOf([WHOLE]))
    expect(textOf(parts)).toBe('Yes')
  })

  it('a whole answer is cleaned of thoughts like any other', async () => {
    const message = { content: '<think>hm</think>Yes', reasoning_content: 'hm' }
    const { parts } = await play(wholeOf({ choices: [{ message }] }))
    expect(textOf(parts)).toBe('Yes')
  })
})

describe('an upstream that fails', () => {
  it.each<[string, UpstreamScript, number]>([
    ['answers 500', { status: 500 }, 0],
    ['answers HTML', { instead: { contentType: 'text/html', body: '<p>hi' } }, 0],
    ['answers one JSON', { instead: { contentType: 'application/json', body: '{}' } }, 0],
    ['answers one JSON of an error', wholeOf({ error: { message: 'no' } }), 0],
    ['answers one JSON beyond 4 MB', wholeOf({ choices: [], x: 'x'.repeat(5_000_000) }), 0],
    ['answers one JSON that is shorter than it said', withLength(wholeOf(WHOLE), 10), 0],
    ['answers text', { instead: { contentType: 'text/plain', body: 'data, and no stream' } }, 0],
    ['sends garbage', { garbageAfter: 1 }, 1],
    ['sends an error object', { errorAfter: 2 }, 2],
    ['drops the connection midway', { dropAfter: 2 }, 2],
    ['ends without an end', { withoutFinish: true, withoutDone: true }, 4],
    ['lists no model', { models: [] }, 0],
    ['lists models with 500', { modelsStatus: 500 }, 0],
    ['sends an event without end', { words: ['x'.repeat(2_000_000)] }, 0],
    ['sends a line without end', { preambleForEver: 'x'.repeat(100_000) }, 0],
    ['sends an event of lines without end', { preambleForEver: 'data: x\n'.repeat(1_000) }, 0],
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
  ])('that sends %s for ever is upstream-timeout', async (_name, preambleForEver) => {
    await using upstream = await startUpstream({ preambleForEver })
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
      preambleForEver: `data: ${JSON.stringify(thought)}\n\n`,
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
