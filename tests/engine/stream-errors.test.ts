import { describe, expect, it } from 'vitest'
import { DONE, ends, play, says, streamOf, textOf } from './openai-compatible.given.ts'

describe('an event of the stream', () => {
  it.each<[string, (object | string)[]]>([
    ['an error in a choice', [{ choices: [{ index: 0, delta: {}, error: { code: 502 } }] }]],
    ['an error as text', [{ error: 'overloaded' }]],
    ['an object of the kind error', [{ object: 'error', message: 'overloaded', code: 500 }]],
    ['the type error', [{ type: 'error', message: 'overloaded' }]],
    ['an error in a field of the vendor', [{ choices: [], x_groq: { error: 'overloaded' } }]],
    ['the name error', ['event: error\ndata: {"message":"overloaded"}']],
    ['the name error and text', ['event: error\ndata: overloaded']],
    ['the name error alone', ['event: error']],
    ['a name that contains error', ['event: server_error\ndata: {}']],
    ['fields that no chunk of an answer has', [{ detail: 'overloaded' }]],
    ['a message and a code', [{ message: 'overloaded', code: 500 }]],
  ])(
    'with %s fails the answer, first and midway, and its words are not repeated',
    async (_, errors) => {
      for (const before of [[], [says('Half')]]) {
        const { parts, failure } = await play(streamOf([...before, ...errors, ends('stop'), DONE]))

        expect(failure?.code).toBe('upstream-failed')
        expect(failure?.message).not.toContain('overloaded')
        expect(parts).toEqual(before.map(() => ({ type: 'text', text: 'Half' })))
      }
    },
  )

  it.each<[string, object | string]>([
    ['an unknown name', 'event: ping\ndata: {"at":1}'],
    ['an unknown name and no JSON', 'event: heartbeat\ndata: still here'],
    ['the type ping', { type: 'ping' }],
    ['an empty object', {}],
    ['the error null', { choices: [], error: null }],
    ['an empty error object', { choices: [], error: {} }],
    ['the filter results of the prompt', { choices: [], prompt_filter_results: [{}] }],
    ['a chunk without choices', { id: '1', object: 'chat.completion.chunk', model: 'm' }],
  ])('with %s changes nothing, first and midway', async (_, event) => {
    const { parts, failure } = await play(streamOf([event, says('Yes'), event, ends('stop'), DONE]))

    expect(failure).toBeUndefined()
    expect(textOf(parts)).toBe('Yes')
  })
})
