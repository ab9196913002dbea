import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { TOO_LONG } from '../engine/refusals/context.ts'
import { createClient } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { openStream, textOf } from '../support/wire/stream.ts'
import { until } from '../support/clock/until.ts'
import {
  startUpstream,
  type TestUpstream,
  type UpstreamScript,
} from '../support/upstream/upstream.ts'

const KEY = 'sk-the-key-that-nobody-may-see'

let upstream: TestUpstream
let server: TestServer
beforeAll(async () => {
  upstream = await startUpstream()
  server = await startServer({
    env: { CHAT_UPSTREAM_URL: upstream.url, CHAT_UPSTREAM_KEY: KEY },
  })
})
beforeEach(() => {
  upstream.script = {}
})
afterAll(() => Promise.all([server.close(), upstream.close()]))

test('an answer is streamed piece by piece, with its model and its usage', async () => {
  const alice = await server.createUser()
  const stream = await openStream(alice, { message: 'Hello', mode: 'creative' })

  const events = await stream.rest()

  expect(events.map(({ name }) => name)).toEqual([
    'message.start',
    ...Array.from({ length: 4 }, () => 'message.delta'),
    'message.end',
  ])
  expect(textOf(events)).toBe('Hello from upstream.')

  const usage = { inputTokens: 11, outputTokens: 4, totalTokens: 15, source: 'upstream' }
  expect(events.at(-1)!.event).toMatchObject({
    usage,
    message: { content: 'Hello from upstream.', model: 'test-model', usage, mode: 'creative' },
  })

  await server.clock.advance(1)
  const { totals } = (await alice.expect(200, 'getUsage')).body
  expect(totals).toEqual({
    requests: 1,
    messages: 1,
    inputTokens: 11,
    outputTokens: 4,
    totalTokens: 15,
  })

  const call = upstream.completions.at(-1)!
  expect(call.headers.authorization).toBe(`Bearer ${KEY}`)
  expect(call.body).toMatchObject({ temperature: 1, model: 'test-model', stream: true })
})

test('usage that the upstream does not report is estimated and marked as such', async () => {
  upstream.script = { usage: 'never' }
  const alice = await server.createUser()

  const { body } = await alice.expect(200, 'sendMessage', { body: { message: 'Hello' } })

  expect(body.usage.source).toBe('estimated')
  expect(body.message.usage).toEqual(body.usage)
})

test.each([
  ['is cut off', { dropAfter: 2 }],
  ['is garbage', { garbageAfter: 2 }],
  ['is an error', { errorAfter: 2 }],
])('an answer whose next event %s is stored as failed', async (_, script) => {
  upstream.script = script
  const alice = await server.createUser()

  const events = await (await openStream(alice, { message: 'Hello' })).rest()

  expect(events.at(-1)!.event).toMatchObject({
    type: 'message.error',
    problem: { code: 'upstream-failed' },
    message: { content: 'Hello from', status: 'failed' },
  })
})

test('an upstream that sends only comments causes 504 after its timeout and is disconnected', async () => {
  const alice = await server.createUser()
  upstream.script = { endlessPreamble: ': still here\n\n' }
  const refusal = alice.refused('upstream-timeout', 'sendMessage', { body: { message: 'Hello' } })
  const call = await upstream.completion(upstream.completions.length + 1)
  await until(() => call.bytesWritten > 100_000)
  await server.clock.advance(60_000)
  await refusal

  await call.closed

  expect(call.aborted).toBe(true)
})

test('an upstream that stalls in the middle of an answer ends the stream after its timeout', async () => {
  upstream.script = { stallAfter: 2 }
  const alice = await server.createUser()
  const stream = await openStream(alice, { message: 'Hello' })
  for (let events = 0; events < 3; events += 1) await stream.next()

  await server.clock.advance(60_000)

  expect((await stream.rest()).map(({ event }) => event)).toMatchObject([
    {
      type: 'message.error',
      problem: { code: 'upstream-timeout' },
      message: { content: 'Hello from', status: 'failed' },
    },
  ])
})

test('a reader who hangs up with onDisconnect: cancel closes the request to the upstream', async () => {
  upstream.script = { stallAfter: 1 }
  const alice = await server.createUser()
  const stream = await openStream(alice, { message: 'Hello', onDisconnect: 'cancel' })
  await stream.next()
  const call = upstream.completions.at(-1)!
  stream.hangUp()

  await call.closed

  expect(call.aborted).toBe(true)
})

test('no response and no log line contains the address or the key of the upstream', async () => {
  const alice = await server.createUser()
  const responses: unknown[] = []
  const body = { message: 'Hello' }

  for (const script of [
    {},
    { status: 500 },
    { reply: { contentType: 'text/html', body: KEY } },
    { status: 401 },
    { status: 404 },
    { redirectTo: `${upstream.url}/elsewhere?key=${KEY}` },
  ]) {
    upstream.script = script
    responses.push(await alice.call('sendMessage', { body }))
  }
  for (const script of [{ dropAfter: 1 }, { errorAfter: 1 }, { garbageAfter: 1 }]) {
    upstream.script = script
    responses.push(await (await openStream(alice, body)).rest())
  }
  responses.push(await alice.call('getStatus'), await alice.call('getReadiness'))

  const everything = JSON.stringify([responses, server.logLines()])
  expect(everything).not.toContain(KEY)
  expect(everything).not.toContain(new URL(upstream.url).host)
})

test('no log line contains an error text of the upstream or a message of the user', async () => {
  const alice = await server.createUser()
  const secret = 'what the user confided'
  upstream.script = { errorAfter: 1 }
  await (await openStream(alice, { message: secret })).rest()
  upstream.script = { status: 500 }

  await alice.call('sendMessage', { body: { message: secret } })
  const logged = JSON.stringify(server.logLines())

  expect(logged).not.toContain(secret)
  expect(logged).not.toContain('overloaded')
})

const refusing = (status: number, message: string, code: string): UpstreamScript => ({
  refuses: () => ({ status, body: { error: { message, code } } }),
  retryAfter: '9',
})
const FINAL_REFUSALS: [string, 400 | 502, UpstreamScript][] = [
  ['upstream-refused', 502, refusing(401, `Incorrect API key provided: ${KEY}`, 'invalid_api_key')],
  ['upstream-refused', 502, refusing(404, 'No such model', 'model_not_found')],
  ['upstream-refused', 502, refusing(400, 'The prompt Hello! is filtered', 'content_filter')],
  ['upstream-refused', 502, refusing(429, 'Pay first', 'insufficient_quota')],
  ['context-too-long', 400, refusing(400, 'Too long: Hello!', 'context_length_exceeded')],
]

describe.each(['sendMessage', 'streamMessage'] as const)(
  'a call that the upstream refuses permanently (%s)',
  (call) => {
    test.each(FINAL_REFUSALS)(
      'is %s (%i) without Retry-After: %j',
      async (code, status, script) => {
        upstream.script = script
        const alice = await server.createUser()
        const before = server.logLines().length

        const refusal = await alice.refused(code as 'upstream-refused', call, {
          body: { message: 'Hello!' },
        })

        expect(refusal.status).toBe(status)
        expect(refusal.headers['retry-after']).toBeUndefined()
        expect(refusal.body).toMatchObject({ retryable: false })
        expect(JSON.stringify(refusal.body)).not.toMatch(/api.?key|sk-|quota/i)

        const lines = server.logLines().slice(before)
        const { requestId } = refusal.body
        expect(lines).toContainEqual(expect.objectContaining({ requestId, code }) as object)
        expect(JSON.stringify(lines)).not.toMatch(new RegExp(`${KEY}|Hello`))
      },
    )
  },
)

test('a permanent refusal after the stream has begun ends it as not retryable', async () => {
  upstream.script = { ...FINAL_REFUSALS[0]![2], respondsLate: true }
  const alice = await server.createUser()
  const count = upstream.completions.length + 1
  const opening = openStream(alice, { message: 'Hello!' })
  await upstream.completion(count)
  await server.clock.advance(10_000)
  const stream = await opening

  upstream.release()

  expect((await stream.rest()).at(-1)!.event).toMatchObject({
    type: 'message.error',
    problem: { code: 'upstream-refused', status: 502, retryable: false },
  })
})

test('a refused key makes readiness degraded until a call succeeds', async () => {
  const anonymous = createClient(server.url)
  const engine = async () => {
    const { body } = await anonymous.expect(200, 'getReadiness')
    return [body.status, body.checks.find(({ name }) => name === 'engine')!.status]
  }
  upstream.script = FINAL_REFUSALS[0]![2]
  const alice = await server.createUser()

  await alice.refused('upstream-refused', 'sendMessage', { body: { message: 'Hello!' } })

  expect(await engine()).toEqual(['degraded', 'down'])

  upstream.script = {}
  await alice.expect(200, 'sendMessage', { body: { message: 'Hello!' } })
  await server.clock.advance(5_000)
  expect(await engine()).toEqual(['ready', 'up'])
})

test('an answer in a conversation that is too long says how many messages the model did not see', async () => {
  upstream.script = {}
  const alice = await server.createUser()
  const first = await alice.expect(200, 'sendMessage', { body: { message: 'One' } })
  const { conversationId } = first.body
  await alice.expect(200, 'sendMessage', { body: { message: 'Two', conversationId } })
  upstream.script = {
    refuses: ({ messages }: { messages: unknown[] }) =>
      messages.length > 2 ? TOO_LONG[0] : undefined,
  }

  const { body } = await alice.expect(200, 'sendMessage', {
    body: { message: 'Three', conversationId },
  })

  expect(body.message.omittedMessages).toBe(4)

  const stored = await alice.expect(200, 'getConversation', { path: { conversationId } })
  expect(stored.body.messages.at(-1)).toMatchObject({ omittedMessages: 4 })
  expect(server.logLines()).toContainEqual(
    expect.objectContaining({ omittedMessages: 4 }) as object,
  )
})
