import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { defaultMode } from '../../src/domain/chat/modes.ts'
import { startUpstream } from '../support/upstream/upstream.ts'
import {
  DONE,
  SOUND_STREAM,
  WHOLE,
  ends,
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

    const { parts } = await play({ reply: { contentType: 'text/event-stream', body, headers } })

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

describe('a stream under another name', () => {
  it.each(['text/plain', '', 'application/octet-stream', 'application/json', 'text/html'])(
    'is taken as one that is called %j',
    async (contentType) => {
      for (const preamble of ['', ': hello\n\n', '\r\n\r\n', '\ufeff', 'event: message\n']) {
        const { parts } = await play({ reply: { contentType, body: preamble + SOUND_STREAM } })
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
