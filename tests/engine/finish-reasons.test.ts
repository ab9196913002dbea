import { describe, expect, it } from 'vitest'
import type { EngineEnd, EngineFailureCode } from '../../src/engine/engine.ts'
import { DONE, ends, play, says, streamOf, textOf } from './openai-compatible.given.ts'

const deltaOf = (delta: object) => ({ choices: [{ index: 0, delta }] })

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
