import { describe, expect, it } from 'vitest'
import type { EngineEnd, EngineFailureCode } from '../../src/engine/engine.ts'
import { DONE, deltaOf, ends, play, says, streamOf, textOf } from './openai-compatible.given.ts'

describe('the finish reason', () => {
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
  ])('%s is returned as %s', async (reason, expected) => {
    for (const rest of [[DONE], []]) {
      const { parts, failure } = await play(streamOf([says('Yes'), ends(reason), ...rest]))

      expect(failure).toBeUndefined()
      expect(textOf(parts)).toBe('Yes')
      expect((parts.at(-1) as EngineEnd).finishReason).toBe(expected)
    }
  })

  it.each([
    ...['error', 'ERROR', 'abort', 'insufficient_system_resource', 'network_error', 'unload'],
    ...['malformed_function_call', 'a reason of next year'],
  ])('%s fails the answer, with and without [DONE]', async (reason) => {
    for (const rest of [[DONE], []]) {
      const { parts, failure } = await play(streamOf([says('Half'), ends(reason), ...rest]))

      expect(failure?.code).toBe('upstream-failed')
      expect(failure?.message).toContain(reason.includes(' ') ? 'no name' : reason.toLowerCase())
      expect(parts).toEqual([{ type: 'text', text: 'Half' }])
    }
  })

  it.each(['', ' ', 'null', null, 7, {}])(
    '%j counts as none: only [DONE] ends the answer then',
    async (reason) => {
      const half = says('Ha', { finish_reason: reason })

      const withoutDone = await play(streamOf([half, ends(reason)]))
      const { parts } = await play(streamOf([half, ends(reason), DONE]))

      expect(withoutDone.failure?.code).toBe('upstream-failed')
      expect((parts.at(-1) as EngineEnd).finishReason).toBeUndefined()
      expect(textOf(parts)).toBe('Ha')
    },
  )

  it('is the last one when every chunk has one', async () => {
    const { parts } = await play(
      streamOf([says('Yes', { finish_reason: 'running' }), ends('stop')]),
    )

    expect(parts.at(-1)).toMatchObject({ type: 'end', finishReason: 'stop' })
  })
})

describe('an answer without text', () => {
  it.each<[string, EngineFailureCode, object[], RegExp]>([
    [
      'tool calls',
      'upstream-refused',
      [deltaOf({ tool_calls: [{ index: 0 }] }), ends('tool_calls')],
      /tool/,
    ],
    ['the end of a function call', 'upstream-refused', [ends('function_call')], /tool/],
    [
      'reasoning up to the maximum length',
      'upstream-refused',
      [deltaOf({ reasoning: 'hm' }), ends('length')],
      /reasoning/,
    ],
    [
      'reasoning in the text up to the maximum length',
      'upstream-refused',
      [says('<think>hm'), ends('length')],
      /reasoning/,
    ],
    ['reasoning', 'upstream-failed', [says('<think>hm</think>\n'), ends('stop')], /reasoning/],
    ['a finish reason', 'upstream-failed', [ends('stop')], /without an answer/],
    ['[DONE]', 'upstream-failed', [], /without an answer/],
  ])('that consists of %s fails with %s and names the cause', async (_, code, events, detail) => {
    const { failure, parts } = await play(streamOf([says(null), ...events, DONE]))

    expect(failure).toMatchObject({ code, detail: expect.stringMatching(detail) })
    expect(failure!.message).not.toBe(failure!.detail)
    expect(parts).toEqual([])
  })

  it('succeeds with the finish reason contentFilter when a filter withheld it', async () => {
    const { parts } = await play(streamOf([ends('content_filter'), DONE]))

    expect(parts).toMatchObject([{ type: 'end', finishReason: 'contentFilter' }])
  })
})
