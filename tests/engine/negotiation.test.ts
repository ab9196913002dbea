import { createServer, type AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { defaultMode, modes } from '../../src/domain/chat/modes.ts'
import { EngineFailure } from '../../src/engine/engine.ts'
import type { EnginePart, Turn, TurnMessage } from '../../src/engine/engine.ts'
import { KnownShapes } from '../../src/engine/upstream/known-shapes.ts'
import { OpenAiCompatibleEngine } from '../../src/engine/upstream/openai-compatible.ts'
import type { OpenAiCompatibleOptions } from '../../src/engine/upstream/openai-compatible.ts'
import type { RequestShape } from '../../src/engine/upstream/request-shape.ts'
import { systemClock } from '../../src/ports/clock/clock.ts'
import { TestClock } from '../support/clock/clock.ts'
import { until } from '../support/clock/until.ts'
import { startUpstream, type TestUpstream } from '../support/upstream/upstream.ts'
import { FOR_GOOD, PASSING, REFUSED_PARAMETERS, type Refusing, TOO_LONG } from './refusals.ts'

const never = new AbortController().signal
const KEY = 'sk-very-secret'
const SAID = 'What the user said of temperature'
const USUAL: RequestShape = {
  temperature: true,
  topP: true,
  lengthParameter: 'max_tokens',
  systemRole: 'system',
  streamUsage: true,
}

function turnOf(...messages: string[]): Turn {
  const told = messages.map((content, index): TurnMessage => {
    const isUsers = (messages.length - index) % 2 === 1
    return { role: isUsers ? 'user' : 'assistant', content }
  })
  return { conversationId: 'c1', mode: defaultMode, messages: told }
}

/** An engine whose tries wait for nothing, and what it logs. */
function engineFor(upstream: TestUpstream, options: Partial<OpenAiCompatibleOptions> = {}) {
  const logged: { facts: Record<string, unknown>; message: string }[] = []
  const info = (facts: Record<string, unknown>, message: string) => {
    logged.push({ facts, message })
  }
  const wait = async (ms: number, signal?: AbortSignal) => {
    if (ms >= 1_000) await systemClock.wait(60_000, signal)
  }
  const engine = new OpenAiCompatibleEngine({
    url: upstream.url,
    key: KEY,
    idleTimeoutMs: 5_000,
    clock: { ...systemClock, monotonicMs: () => 0, wait },
    random: () => 0.5,
    log: { info } as NonNullable<OpenAiCompatibleOptions['log']>,
    ...options,
  })
  return { engine, logged }
}

async function endOf(engine: OpenAiCompatibleEngine, turn: Turn, signal = never) {
  const parts: EnginePart[] = []
  for await (const part of engine.answer(turn, signal)) parts.push(part)
  return parts.at(-1)!
}

async function failureOf(engine: OpenAiCompatibleEngine, turn = turnOf(SAID), signal = never) {
  const failure = await endOf(engine, turn, signal).then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(failure).toBeInstanceOf(EngineFailure)
  return failure as EngineFailure
}

const askedModels = ({ calls }: TestUpstream) =>
  calls.filter(({ path }) => path === '/v1/models').length

describe('what an upstream is asked', () => {
  it.each(modes)('in the mode $id has one value for sampling', async (mode) => {
    await using upstream = await startUpstream()
    const { engine } = engineFor(upstream)
    await endOf(engine, { ...turnOf('Hi'), mode })
    const { temperature, top_p: topP } = upstream.completions[0]!.body as Record<string, unknown>
    expect([temperature, topP].filter((value) => value !== undefined)).toHaveLength(1)
  })

  it('has both where a mode sets both, and one where the upstream refuses them together', async () => {
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

  it('is what the settings say from the first call on', async () => {
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
type Body = Record<string, unknown> & { messages: { role: string; content: string }[] }
const has = (body: Body, parameter: Parameter) =>
  parameter === 'system' ? body.messages[0]!.role === 'system' : parameter in body

const refusedParameters = Object.entries(REFUSED_PARAMETERS).flatMap(([parameter, refusals]) =>
  refusals.map((refusal, index) => [parameter as Parameter, index, refusal as Refusing] as const),
)

describe('a parameter that an upstream refuses', () => {
  it.each(refusedParameters)(
    '(%s, form %i) is left out, renamed or folded in once, and the model is known from then on',
    async (parameter, _index, refusal) => {
      await using upstream = await startUpstream({
        refuses: (body: Body) => (has(body, parameter) ? refusal : undefined),
      })
      const { engine, logged } = engineFor(upstream)
      expect((await endOf(engine, turnOf(SAID))).type).toBe('end')
      const [first, second] = upstream.completions.map(({ body }) => body as Body)
      const all: Parameter[] = ['temperature', 'max_tokens', 'stream_options', 'system']
      const others = all.filter((one) => one !== parameter)
      expect(others.filter((one) => !has(first!, one) || !has(second!, one))).toEqual([])
      expect(JSON.stringify(second!.messages)).toContain(defaultMode.systemPrompt)
      await endOf(engine, turnOf(SAID))
      expect(upstream.completions).toHaveLength(3)
      expect(logged).toHaveLength(1)
      expect(JSON.stringify(logged)).not.toContain(SAID)
    },
  )

  it('in several forms is changed until the upstream takes it, each once', async () => {
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

  it('of every name, for ever, is refused for good after a bounded number of tries', async () => {
    await using upstream = await startUpstream({
      refuses: () => ({ status: 400, body: { error: { message: 'max_tokens', param: 'top_p' } } }),
    })
    const failure = await failureOf(engineFor(upstream).engine)
    expect(failure.code).toBe('upstream-refused')
    expect(upstream.completions.length).toBeLessThanOrEqual(3)
  })

  it('whose amount is what is wrong is left out, not renamed', async () => {
    const message = 'max_tokens is too large: 2048. This model supports at most 1024.'
    await using upstream = await startUpstream({
      refuses: (body: Body) =>
        'max_tokens' in body ? { status: 400, body: { error: { message } } } : undefined,
    })
    await endOf(engineFor(upstream).engine, turnOf('Hi'))
    expect(upstream.completions[1]!.body).not.toHaveProperty('max_completion_tokens')
  })

  it('is not remembered as refused where the changed request was not taken either', async () => {
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

  it('is found out for so many models and no more', () => {
    const shapes = new KnownShapes(USUAL)
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
    'is told without its oldest turns (form %i)',
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
    'fits %i characters after five tries at the most, whether or not numbers are told',
    async (most) => {
      for (const isTold of [true, false]) {
        await using upstream = await startUpstream({
          refuses: (body: Body) => {
            const length = lengthOf(body) - defaultMode.systemPrompt.length
            if (length <= most) return undefined
            const told = { n_prompt_tokens: length + 2_048, n_ctx: most + 2_048 }
            const type = 'exceed_context_size_error'
            return { status: 400, body: { error: { type, message: 'no', ...(isTold && told) } } }
          },
        })
        const end = await endOf(engineFor(upstream).engine, conversation)
        expect(end).toHaveProperty('omittedMessages')
        expect(upstream.completions.length).toBeLessThanOrEqual(5)
      }
    },
  )

  it('whose newest message alone is too long is context-too-long, after a bounded number of tries', async () => {
    await using upstream = await startUpstream({ refuses: () => TOO_LONG[0], retryAfter: '9' })
    const { engine } = engineFor(upstream)
    const failure = await failureOf(engine, conversation)
    expect(failure).toMatchObject({ code: 'context-too-long', isOfRequest: true })
    expect(failure.retryAfterSeconds).toBeUndefined()
    expect(upstream.completions.length).toBeLessThanOrEqual(6)
    const { messages } = upstream.completions.at(-1)!.body as Body
    expect(messages.map(({ content }) => content).slice(1)).toEqual(['And now?'])
  })

  it('because of the room for the answer is told whole, without asking for so much', async () => {
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

const forGood = Object.entries(FOR_GOOD).flatMap(([kind, refusals]) =>
  refusals.map((refusal, index) => [kind, index, refusal] as const),
)

describe('a refusal for good', () => {
  it.each(forGood)(
    '(%s, form %i) is told once, with a sentence that gives nothing away, and is not tried again',
    async (_kind, _index, refusal) => {
      await using upstream = await startUpstream({ refuses: () => refusal, retryAfter: '9' })
      const { engine } = engineFor(upstream, { model: 'm' })
      const failure = await failureOf(engine)
      expect(failure).toMatchObject({ code: 'upstream-refused', isOfRequest: true })
      expect(failure.retryAfterSeconds).toBeUndefined()
      expect(failure.detail).toMatch(/^The model (?:server |is )/)
      expect(failure.detail).not.toMatch(/key|http|CHAT_/i)
      expect(failure.message).toContain(`the upstream answered ${refusal.status}`)
      expect(failure.message).not.toMatch(new RegExp(`${KEY}|${SAID}`))
      expect(upstream.completions).toHaveLength(1)
    },
  )

  it('has a sentence and a reason of its own for each kind', async () => {
    await using upstream = await startUpstream()
    const { engine } = engineFor(upstream, { model: 'm' })
    const failures: EngineFailure[] = []
    for (const [refusal] of Object.values(FOR_GOOD)) {
      upstream.script = { refuses: () => refusal }
      failures.push(await failureOf(engine))
    }
    const kinds = Object.keys(FOR_GOOD).length
    expect(new Set(failures.map(({ detail }) => detail)).size).toBe(kinds)
    expect(new Set(failures.map(({ message }) => message)).size).toBe(kinds)
  })

  it('is read no further than it has to be', async () => {
    const long = { error: { message: `top_p is bad ${'x'.repeat(10_000_000)}` } }
    await using upstream = await startUpstream({ refuses: () => ({ status: 400, body: long }) })
    expect((await failureOf(engineFor(upstream).engine)).code).toBe('upstream-refused')
  })

  it('whose words never end is upstream-timeout', async () => {
    const head = 'HTTP/1.1 400 Bad Request\r\nContent-Length: 100\r\n\r\n{"error":'
    let isAsked = false
    const server = createServer((socket) => {
      socket
        .on('error', () => undefined)
        .once('data', () => {
          socket.write(head, () => (isAsked = true))
        })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const clock = new TestClock()
    const options = { model: 'm', idleTimeoutMs: 5_000, clock, random: () => 0 }
    const engine = new OpenAiCompatibleEngine({ url: `http://127.0.0.1:${port}`, ...options })
    const failing = failureOf(engine)
    await until(() => isAsked)
    await clock.advance(5_000)
    expect((await failing).code).toBe('upstream-timeout')
    await new Promise((resolve) => server.close(resolve))
  })

  it.each(PASSING.map((refusal, index) => [index, refusal] as const))(
    'is not what may pass by itself (form %i)',
    async (_index, refusal) => {
      await using upstream = await startUpstream({ refuses: () => refusal })
      expect((await failureOf(engineFor(upstream).engine)).code).toBe('upstream-failed')
    },
  )

  it.each(['access', 'credit', 'unknown-model'])(
    'of every call (%s) shows in the check, whatever the list of models says, until a call is taken',
    async (kind) => {
      await using upstream = await startUpstream({ refuses: () => FOR_GOOD[kind]![0] })
      const { engine } = engineFor(upstream, { model: 'm' })
      expect(await engine.check()).toBe('up')
      await failureOf(engine)
      expect(await engine.check()).toBe('down')
      upstream.script = {}
      await endOf(engine, turnOf('Hi'))
      expect(await engine.check()).toBe('up')
    },
  )

  it('of five requests in a row shows in the check, of what they contain never', async () => {
    await using upstream = await startUpstream({ refuses: () => FOR_GOOD['content']![0] })
    const { engine } = engineFor(upstream, { model: 'm' })
    for (let calls = 0; calls < 6; calls++) await failureOf(engine)
    expect(await engine.check()).toBe('up')
    upstream.script = { refuses: () => FOR_GOOD['request']![0] }
    for (let calls = 0; calls < 5; calls++) await failureOf(engine)
    expect(await engine.check()).toBe('down')
  })
})

describe('the check of an upstream that keeps its list to itself', () => {
  it.each([
    [404, 'm', 'up'],
    [404, undefined, 'down'],
    [403, 'm', 'down'],
    [503, 'm', 'down'],
  ] as const)('(%i, with the model %s) is %s', async (modelsStatus, model, result) => {
    await using upstream = await startUpstream({ modelsStatus })
    const { engine } = engineFor(upstream, { ...(model !== undefined && { model }) })
    expect(await engine.check()).toBe(result)
  })

  it('is up once it has answered a call', async () => {
    await using upstream = await startUpstream({ modelsStatus: 403 })
    const { engine } = engineFor(upstream, { model: 'm' })
    await endOf(engine, turnOf('Hi'))
    expect(await engine.check()).toBe('up')
  })
})

/** Knows the models that it lists, and no other. */
const knowsItsList = (upstream: TestUpstream) => (body: Body) =>
  (upstream.script.models ?? []).includes(String(body['model']))
    ? undefined
    : FOR_GOOD['unknown-model']![0]

describe('the model that an upstream lists', () => {
  it('is listed again when it is gone, and the call is repeated', async () => {
    await using upstream = await startUpstream({ models: ['old'] })
    const { engine } = engineFor(upstream)
    await endOf(engine, turnOf('Hi'))
    upstream.script = { models: ['new'], refuses: knowsItsList(upstream) }
    expect(await endOf(engine, turnOf('Hi'))).toMatchObject({ model: 'new' })
    expect(upstream.completions.map(({ body }) => String(body.model))).toEqual([
      'old',
      'old',
      'new',
    ])
    expect(engine.model).toBe('new')
  })

  it('is listed once for many calls that find it gone at the same moment', async () => {
    await using upstream = await startUpstream({ models: ['old'] })
    const { engine } = engineFor(upstream)
    await endOf(engine, turnOf('Hi'))
    upstream.script = { models: ['new'], refuses: knowsItsList(upstream) }
    await Promise.all(Array.from({ length: 20 }, () => endOf(engine, turnOf('Hi'))))
    expect(askedModels(upstream)).toBe(2)
  })

  it('is refused for good, once, when the list still has it', async () => {
    await using upstream = await startUpstream({ refuses: () => FOR_GOOD['unknown-model']![0] })
    const { engine } = engineFor(upstream)
    expect((await failureOf(engine)).code).toBe('upstream-refused')
    expect(upstream.completions).toHaveLength(1)
    expect(askedModels(upstream)).toBe(2)
  })

  it('is not looked for where the operator named one', async () => {
    await using upstream = await startUpstream({ refuses: () => FOR_GOOD['unknown-model']![0] })
    await failureOf(engineFor(upstream, { model: 'm' }).engine)
    expect(upstream.calls).toHaveLength(1)
  })

  it('is found for the others when the caller that asked first leaves', async () => {
    await using upstream = await startUpstream({ modelsStall: true })
    const { engine } = engineFor(upstream)
    const abort = new AbortController()
    const first = endOf(engine, turnOf('Hi'), abort.signal)
    const second = endOf(engine, turnOf('Hi'))
    await until(() => upstream.calls.length === 1)
    const reason = new Error('the visitor left')
    abort.abort(reason)
    await expect(first).rejects.toBe(reason)
    upstream.release()
    expect((await second).type).toBe('end')
    expect(askedModels(upstream)).toBe(1)
  })

  it('is not waited for any longer when every caller has left', async () => {
    await using upstream = await startUpstream({ modelsStall: true })
    const { engine } = engineFor(upstream)
    const abort = new AbortController()
    const reason = new Error('the visitor left')
    const first = endOf(engine, turnOf('Hi'), abort.signal)
    await until(() => upstream.calls.length === 1)
    abort.abort(reason)
    await expect(first).rejects.toBe(reason)
    await upstream.calls[0]!.closed
    expect(upstream.calls[0]!.aborted).toBe(true)
    upstream.script = {}
    expect((await endOf(engine, turnOf('Hi'))).type).toBe('end')
  })
})

describe('a refusal that comes with 200', () => {
  const tooLong = TOO_LONG[1]!.body
  const lmStudio = {
    error: {
      message:
        'The number of tokens to keep from the initial prompt is greater than the context length',
    },
  }
  const stream = (...events: string[]) => ({
    contentType: 'text/event-stream',
    body: events.map((event) => `${event}\n\n`).join(''),
  })

  it.each([
    ['as the first event', stream(`data: ${JSON.stringify(tooLong)}`)],
    ['as an event of its own', stream(`event: error\ndata: ${JSON.stringify(lmStudio)}`)],
    ['as JSON', { contentType: 'application/json', body: JSON.stringify(tooLong) }],
  ])('%s is one all the same', async (_name, instead) => {
    await using upstream = await startUpstream({ instead })
    const failure = await failureOf(engineFor(upstream).engine)
    expect(failure.code).toBe('context-too-long')
  })

  it('after a part of the answer is a failure, and nobody is asked again', async () => {
    const begun = 'data: {"choices":[{"delta":{"role":"assistant"}}]}'
    const instead = stream(begun, `data: ${JSON.stringify(tooLong)}`)
    await using upstream = await startUpstream({ instead })
    const failure = await failureOf(engineFor(upstream).engine, turnOf('a', 'b', 'c'))
    expect(failure.code).toBe('upstream-failed')
    expect(upstream.completions).toHaveLength(1)
  })

  it('and does not say what it is about may pass', async () => {
    const instead = stream('data: {"error":{"message":"overloaded","code":503}}')
    await using upstream = await startUpstream({ instead })
    expect((await failureOf(engineFor(upstream).engine)).code).toBe('upstream-failed')
  })
})
