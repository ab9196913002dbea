import { describe, expect, it } from 'vitest'
import { defaultMode, modes } from '../../src/domain/chat/modes.ts'
import { LearnedShapes } from '../../src/engine/upstream/request/learned-shapes.ts'
import type { RequestShape } from '../../src/engine/upstream/request/request-shape.ts'
import { startUpstream } from '../support/upstream/upstream.ts'
import { type Body, SAID, endOf, engineFor, failureOf, turnOf } from './negotiation.given.ts'
import { TOO_LONG } from './refusals/context.ts'
import { REFUSED_PARAMETERS } from './refusals/parameters.ts'
import type { Refusal } from './refusals/refusal.ts'

const DEFAULT_SHAPE: RequestShape = {
  temperature: true,
  topP: true,
  lengthParameter: 'max_tokens',
  systemRole: 'system',
  streamUsage: true,
}

describe('a request to an upstream', () => {
  it.each(modes)('has one sampling value in the mode $id', async (mode) => {
    await using upstream = await startUpstream()
    const { engine } = engineFor(upstream)

    await endOf(engine, { ...turnOf('Hi'), mode })

    const { temperature, top_p: topP } = upstream.completions[0]!.body as Record<string, unknown>
    expect([temperature, topP].filter((value) => value !== undefined)).toHaveLength(1)
  })

  it('has both sampling values of a mode, without top_p once the upstream refuses the pair', async () => {
    await using upstream = await startUpstream({
      refuses: (body: object) =>
        'temperature' in body && 'top_p' in body
          ? {
              status: 400,
              body: { error: { message: '`temperature` and `top_p` cannot both be specified.' } },
            }
          : undefined,
    })
    const { engine } = engineFor(upstream)
    const mode = { ...defaultMode, temperature: 0.5, topP: 0.9 }

    await endOf(engine, { ...turnOf('Hi'), mode })

    const [both, one] = upstream.completions.map(({ body }) => body as Record<string, unknown>)
    expect(both).toMatchObject({ temperature: 0.5, top_p: 0.9 })
    expect(one).toMatchObject({ temperature: 0.5 })
    expect(one).not.toHaveProperty('top_p')
  })

  it('follows the settings from the first call on', async () => {
    await using upstream = await startUpstream()
    const shape: RequestShape = {
      temperature: false,
      topP: false,
      lengthParameter: 'max_completion_tokens',
      systemRole: 'developer',
      streamUsage: false,
    }

    await endOf(engineFor(upstream, { shape }).engine, turnOf('Hi'))

    const { body } = upstream.completions[0]!
    expect(Object.keys(body as object).sort()).toEqual([
      'max_completion_tokens',
      'messages',
      'model',
      'stream',
    ])
    expect(body.messages[0]).toEqual({ role: 'developer', content: defaultMode.systemPrompt })
  })
})

type Parameter = keyof typeof REFUSED_PARAMETERS

const has = (body: Body, parameter: Parameter) =>
  parameter === 'system' ? body.messages[0]!.role === 'system' : parameter in body

const refusedParameters = Object.entries(REFUSED_PARAMETERS).flatMap(([parameter, refusals]) =>
  refusals.map((refusal, index) => [parameter as Parameter, index, refusal as Refusal] as const),
)

describe('a refused parameter', () => {
  it.each(refusedParameters)(
    '(%s, form %i) is replaced with one more request, and in later calls without any',
    async (parameter, _index, refusal) => {
      await using upstream = await startUpstream({
        refuses: (body: Body) => (has(body, parameter) ? refusal : undefined),
      })
      const { engine, logged } = engineFor(upstream)

      expect((await endOf(engine, turnOf(SAID))).type).toBe('end')
      const [first, second] = upstream.completions.map(({ body }) => body as Body)
      const parameters: Parameter[] = ['temperature', 'max_tokens', 'stream_options', 'system']
      const others = parameters.filter((name) => name !== parameter)
      expect(others.filter((name) => !has(first!, name) || !has(second!, name))).toEqual([])
      expect(JSON.stringify(second!.messages)).toContain(defaultMode.systemPrompt)

      await endOf(engine, turnOf(SAID))
      expect(upstream.completions).toHaveLength(3)
      expect(logged).toHaveLength(1)
      expect(JSON.stringify(logged)).not.toContain(SAID)
    },
  )

  it('is replaced once for each refusal until the upstream accepts the request', async () => {
    const refuse = (parameter: string, code = 'unsupported_parameter') => ({
      status: 400,
      body: { error: { message: `${parameter} is not supported`, param: parameter, code } },
    })
    await using upstream = await startUpstream({
      refuses: (body: Body) => {
        const refused = [
          'max_tokens',
          'max_completion_tokens',
          'temperature',
          'stream_options',
        ].find((name) => name in body)
        if (refused !== undefined) return refuse(refused)
        return body.messages[0]!.role === 'system' ? refuse('messages[0].role') : undefined
      },
    })

    await endOf(engineFor(upstream).engine, turnOf('Hi'))

    expect(upstream.completions).toHaveLength(6)
    const last = upstream.completions.at(-1)!.body as Body
    expect(Object.keys(last).sort()).toEqual(['messages', 'model', 'stream'])
    expect(last.messages).toEqual([{ role: 'user', content: `${defaultMode.systemPrompt}\n\nHi` }])
  })

  it('that stays refused ends in upstream-refused after at most three requests', async () => {
    await using upstream = await startUpstream({
      refuses: () => ({ status: 400, body: { error: { message: 'max_tokens', param: 'top_p' } } }),
    })

    const failure = await failureOf(engineFor(upstream).engine)

    expect(failure.code).toBe('upstream-refused')
    expect(upstream.completions.length).toBeLessThanOrEqual(3)
  })

  it('is omitted and not renamed when only its value is too large', async () => {
    const message = 'max_tokens is too large: 2048. This model supports at most 1024.'
    await using upstream = await startUpstream({
      refuses: (body: Body) =>
        'max_tokens' in body ? { status: 400, body: { error: { message } } } : undefined,
    })

    await endOf(engineFor(upstream).engine, turnOf('Hi'))

    expect(upstream.completions[1]!.body).not.toHaveProperty('max_completion_tokens')
  })

  it('is sent again in later calls when the changed request was refused too', async () => {
    let isRefusing = true
    await using upstream = await startUpstream({
      refuses: () => (isRefusing ? { status: 400, body: { error: { message: SAID } } } : undefined),
    })
    const { engine, logged } = engineFor(upstream)
    await failureOf(engine)
    isRefusing = false

    await endOf(engine, turnOf('Hi'))

    expect(upstream.completions.at(-1)!.body).toHaveProperty('temperature')
    expect(logged).toEqual([])
  })

  it('is remembered for the last 100 models only', () => {
    const shapes = new LearnedShapes(DEFAULT_SHAPE)

    for (let n = 0; n <= 100; n++) shapes.learn(`model-${n}`, { temperature: false })

    expect(shapes.of('model-0').temperature).toBe(true)
    expect(shapes.of('model-1').temperature).toBe(false)
  })
})

const LONG = 'word '.repeat(200)

const lengthOf = ({ messages }: Body) =>
  messages.reduce((sum, { content }) => sum + content.length, 0)

describe('a conversation that is too long for the model', () => {
  const conversation = turnOf(...Array.from({ length: 20 }, () => LONG), 'And now?')

  it.each(TOO_LONG.map((refusal, index) => [index, refusal] as const))(
    'is sent without its oldest turns (form %i)',
    async (_index, refusal) => {
      await using upstream = await startUpstream({
        refuses: (body: Body) => (body.messages.length > 20 ? refusal : undefined),
      })
      const { engine, logged } = engineFor(upstream)

      const end = await endOf(engine, conversation)

      const { messages } = upstream.completions.at(-1)!.body as Body
      expect(messages.map(({ role }) => role).slice(0, 2)).toEqual(['system', 'user'])
      expect(messages.at(-1)!.content).toBe('And now?')
      const omittedMessages = conversation.messages.length - (messages.length - 1)
      expect(end).toMatchObject({ omittedMessages })
      expect(logged.map(({ facts }) => facts)).toMatchObject([{ omittedMessages }])
      expect(JSON.stringify(logged)).not.toContain('word')
    },
  )

  it.each([200, 2_000, 5_000, 19_000])(
    'fits %i characters after at most five requests, with and without numbers in the refusal',
    async (limit) => {
      for (const hasNumbers of [true, false]) {
        await using upstream = await startUpstream({
          refuses: (body: Body) => {
            const length = lengthOf(body) - defaultMode.systemPrompt.length
            if (length <= limit) return undefined
            const numbers = { n_prompt_tokens: length + 2_048, n_ctx: limit + 2_048 }
            const type = 'exceed_context_size_error'
            return {
              status: 400,
              body: { error: { type, message: 'no', ...(hasNumbers && numbers) } },
            }
          },
        })

        const end = await endOf(engineFor(upstream).engine, conversation)

        expect(end).toHaveProperty('omittedMessages')
        expect(upstream.completions.length).toBeLessThanOrEqual(5)
      }
    },
  )

  it('ends in context-too-long after at most six requests when the newest message alone is too long', async () => {
    await using upstream = await startUpstream({ refuses: () => TOO_LONG[0], retryAfter: '9' })
    const { engine } = engineFor(upstream)

    const failure = await failureOf(engine, conversation)

    expect(failure).toMatchObject({ code: 'context-too-long', isOfRequest: true })
    expect(failure.retryAfterSeconds).toBeUndefined()
    expect(upstream.completions.length).toBeLessThanOrEqual(6)
    const { messages } = upstream.completions.at(-1)!.body as Body
    expect(messages.map(({ content }) => content).slice(1)).toEqual(['And now?'])
  })

  it('is sent whole without max_tokens when the refusal concerns the room for the answer', async () => {
    const message =
      "This model's maximum context length is 2048 tokens. However, you requested 2100 tokens."
    await using upstream = await startUpstream({
      refuses: (body: Body) =>
        'max_tokens' in body ? { status: 400, body: { message } } : undefined,
    })

    const end = await endOf(engineFor(upstream).engine, turnOf('a', 'b', 'c'))

    expect(end).not.toHaveProperty('omittedMessages')
    expect(upstream.completions).toHaveLength(2)
  })
})
