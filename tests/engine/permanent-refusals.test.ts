import { createServer, type AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { EngineFailure } from '../../src/engine/engine.ts'
import { OpenAiCompatibleEngine } from '../../src/engine/upstream/openai-compatible.ts'
import { TestClock } from '../support/clock/clock.ts'
import { until } from '../support/clock/until.ts'
import { startUpstream } from '../support/upstream/upstream.ts'
import { KEY, SAID, endOf, engineFor, failureOf, turnOf } from './negotiation.given.ts'
import { TOO_LONG } from './refusals/context.ts'
import { PERMANENT } from './refusals/permanent.ts'
import { TRANSIENT } from './refusals/transient.ts'

const permanentRefusals = Object.entries(PERMANENT).flatMap(([kind, refusals]) =>
  refusals.map((refusal, index) => [kind, index, refusal] as const),
)

describe('a permanent refusal', () => {
  it.each(permanentRefusals)(
    '(%s, form %i) fails the call without a retry, with a sentence that reveals no secret',
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

  it('has a different sentence and reason for each kind', async () => {
    await using upstream = await startUpstream()
    const { engine } = engineFor(upstream, { model: 'm' })
    const failures: EngineFailure[] = []

    for (const [refusal] of Object.values(PERMANENT)) {
      upstream.script = { refuses: () => refusal }
      failures.push(await failureOf(engine))
    }

    const kinds = Object.keys(PERMANENT).length
    expect(new Set(failures.map(({ detail }) => detail)).size).toBe(kinds)
    expect(new Set(failures.map(({ message }) => message)).size).toBe(kinds)
  })

  it('with a body of 10 MB is upstream-refused', async () => {
    const long = { error: { message: `top_p is bad ${'x'.repeat(10_000_000)}` } }
    await using upstream = await startUpstream({ refuses: () => ({ status: 400, body: long }) })

    expect((await failureOf(engineFor(upstream).engine)).code).toBe('upstream-refused')
  })

  it('with a body that never ends fails with upstream-timeout', async () => {
    const head = 'HTTP/1.1 400 Bad Request\r\nContent-Length: 100\r\n\r\n{"error":'
    let hasHead = false
    const server = createServer((socket) => {
      socket
        .on('error', () => undefined)
        .once('data', () => {
          socket.write(head, () => (hasHead = true))
        })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const clock = new TestClock()
    const options = { model: 'm', idleTimeoutMs: 5_000, clock, random: () => 0 }
    const engine = new OpenAiCompatibleEngine({ url: `http://127.0.0.1:${port}`, ...options })
    const failing = failureOf(engine)
    await until(() => hasHead)

    await clock.advance(5_000)

    expect((await failing).code).toBe('upstream-timeout')
    await new Promise((resolve) => server.close(resolve))
  })

  it.each(TRANSIENT.map((refusal, index) => [index, refusal] as const))(
    'does not include a transient failure, which is upstream-failed (form %i)',
    async (_index, refusal) => {
      await using upstream = await startUpstream({ refuses: () => refusal })

      expect((await failureOf(engineFor(upstream).engine)).code).toBe('upstream-failed')
    },
  )

  it.each(['access', 'credit', 'unknown-model'])(
    '(%s) makes the check report down until a call succeeds, although models are listed',
    async (kind) => {
      await using upstream = await startUpstream({ refuses: () => PERMANENT[kind]![0] })
      const { engine } = engineFor(upstream, { model: 'm' })
      expect(await engine.check()).toBe('up')

      await failureOf(engine)
      expect(await engine.check()).toBe('down')

      upstream.script = {}
      await endOf(engine, turnOf('Hi'))
      expect(await engine.check()).toBe('up')
    },
  )

  it('makes the check report down after five refused requests, but never for refused content', async () => {
    await using upstream = await startUpstream({ refuses: () => PERMANENT['content']![0] })
    const { engine } = engineFor(upstream, { model: 'm' })
    for (let calls = 0; calls < 6; calls++) await failureOf(engine)
    expect(await engine.check()).toBe('up')

    upstream.script = { refuses: () => PERMANENT['request']![0] }
    for (let calls = 0; calls < 5; calls++) await failureOf(engine)
    expect(await engine.check()).toBe('down')
  })
})

describe('a refusal with status 200', () => {
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
    ['as an event named error', stream(`event: error\ndata: ${JSON.stringify(lmStudio)}`)],
    ['as JSON', { contentType: 'application/json', body: JSON.stringify(tooLong) }],
  ])('is recognised %s', async (_name, reply) => {
    await using upstream = await startUpstream({ reply })

    const failure = await failureOf(engineFor(upstream).engine)

    expect(failure.code).toBe('context-too-long')
  })

  it('after the answer began is upstream-failed without a retry', async () => {
    const beginning = 'data: {"choices":[{"delta":{"role":"assistant"}}]}'
    const reply = stream(beginning, `data: ${JSON.stringify(tooLong)}`)
    await using upstream = await startUpstream({ reply })

    const failure = await failureOf(engineFor(upstream).engine, turnOf('a', 'b', 'c'))

    expect(failure.code).toBe('upstream-failed')
    expect(upstream.completions).toHaveLength(1)
  })

  it('is upstream-failed when it names no permanent cause', async () => {
    const reply = stream('data: {"error":{"message":"overloaded","code":503}}')
    await using upstream = await startUpstream({ reply })

    expect((await failureOf(engineFor(upstream).engine)).code).toBe('upstream-failed')
  })
})
