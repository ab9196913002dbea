import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import {
  DONE,
  SOUND_STREAM,
  WHOLE,
  ends,
  play,
  says,
  streamOf,
  textOf,
  wholeOf,
} from './openai-compatible.given.ts'

describe('a stream of an upstream', () => {
  it.each(['\n', '\r', '\r\n'])('may end its lines with %j', async (lineEnd) => {
    const events = [': hello', says('One'), 'event: x\ndata:', says(' two'), DONE]

    const { parts } = await play(streamOf(events, lineEnd))

    expect(textOf(parts)).toBe('One two')
    expect(parts.at(-1)?.type).toBe('end')
  })

  it.each<[string, (object | string)[], string]>([
    ['empty events', ['data:', 'data: ', says('Yes'), 'data', DONE], 'Yes'],
    [
      'content that is null or not text',
      [says(null), says(['x']), says('Yes'), says(7), DONE],
      'Yes',
    ],
    [
      'missing choices or deltas',
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
    ['events after the end', [says('Yes'), DONE, says('No'), 'data: {'], 'Yes'],
    ['a finish reason and no [DONE]', [says('Yes', { finish_reason: 'length' })], 'Yes'],
  ])('yields the text and one end with %s', async (_name, events, text) => {
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
      'in a field of the vendor',
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
      'under other names',
      [says('Yes', { finish_reason: 'stop' }), { usage: { input_tokens: 2, output_tokens: 3 } }],
    ],
    [
      'with a wrong total',
      [
        says('Yes', { finish_reason: 'stop' }),
        { usage: { prompt_tokens: 2, completion_tokens: 3, total_tokens: 1 } },
      ],
    ],
    [
      'with reasoning beside the answer',
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
      'with reasoning within the answer',
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
  ])('yields the usage that the upstream reports %s', async (_name, events) => {
    const { parts } = await play(streamOf(events))

    expect(parts.at(-1)).toMatchObject({
      usage: { inputTokens: 2, outputTokens: 3, totalTokens: 5, source: 'upstream' },
    })
  })

  it('may be compressed', async () => {
    const body = gzipSync(SOUND_STREAM)
    const headers = { 'Content-Encoding': 'gzip' }

    const { parts } = await play({ reply: { contentType: 'text/event-stream', body, headers } })

    expect(textOf(parts)).toBe('Hi')
  })
})

describe('a reply of another media type', () => {
  it.each(['text/plain', '', 'application/octet-stream', 'application/json', 'text/html'])(
    '%j is read as the stream that it is',
    async (contentType) => {
      for (const preamble of ['', ': hello\n\n', '\r\n\r\n', '\ufeff', 'event: message\n']) {
        const { parts } = await play({ reply: { contentType, body: preamble + SOUND_STREAM } })
        expect(textOf(parts)).toBe('Hi')
      }
    },
  )

  it.each(['application/json', 'text/event-stream', 'text/plain', ''])(
    '%j is read as the whole answer that it is',
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

  it('text/event-stream may contain a whole answer as its only event', async () => {
    const { parts } = await play(streamOf([WHOLE]))

    expect(textOf(parts)).toBe('Yes')
  })
})
