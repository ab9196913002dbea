import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'
import { openStream, textOf } from '../support/stream.ts'
import { until } from '../support/until.ts'
import { startUpstream, type TestUpstream } from '../support/upstream.ts'

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

test('an answer of the upstream comes word by word, with its model and its usage', async () => {
  const alice = await server.newUser()
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

test('usage that the upstream does not tell is estimated, and says so', async () => {
  upstream.script = { usage: 'never' }
  const alice = await server.newUser()
  const { body } = await alice.expect(200, 'sendMessage', { body: { message: 'Hello' } })
  expect(body.usage.source).toBe('estimated')
  expect(body.message.usage).toEqual(body.usage)
})

test.each([
  ['is cut', { dropAfter: 2 }],
  ['is garbage', { garbageAfter: 2 }],
  ['is an error', { errorAfter: 2 }],
])('an answer that breaks off because the next event %s is kept as failed', async (_, script) => {
  upstream.script = script
  const alice = await server.newUser()
  const events = await (await openStream(alice, { message: 'Hello' })).rest()
  expect(events.at(-1)!.event).toMatchObject({
    type: 'message.error',
    problem: { code: 'upstream-failed' },
    message: { content: 'Hello from', status: 'failed' },
  })
})

test('an upstream that sends nothing but comments is 504 after its timeout, and is hung up on', async () => {
  const alice = await server.newUser()
  upstream.script = { preambleForEver: ': still here\n\n' }
  const refusal = alice.refused('upstream-timeout', 'sendMessage', { body: { message: 'Hello' } })
  const call = await upstream.completion(upstream.completions.length + 1)
  await until(() => call.bytesWritten > 100_000)
  await server.clock.advance(60_000)
  await refusal
  await call.closed
  expect(call.aborted).toBe(true)
})

test('an upstream that falls silent midway ends the stream after its timeout', async () => {
  upstream.script = { stallAfter: 2 }
  const alice = await server.newUser()
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

test('a reader who hangs up and cancels closes the request to the upstream', async () => {
  upstream.script = { stallAfter: 1 }
  const alice = await server.newUser()
  const stream = await openStream(alice, { message: 'Hello', onDisconnect: 'cancel' })
  await stream.next()
  const call = upstream.completions.at(-1)!
  stream.hangUp()
  await call.closed
  expect(call.aborted).toBe(true)
})

test('neither the address nor the key of the upstream is ever told or logged', async () => {
  const alice = await server.newUser()
  const told: unknown[] = []
  const body = { message: 'Hello' }
  for (const script of [
    {},
    { status: 500 },
    { instead: { contentType: 'text/html', body: KEY } },
    { status: 401 },
    { status: 404 },
    { redirectTo: `${upstream.url}/elsewhere?key=${KEY}` },
  ]) {
    upstream.script = script
    told.push(await alice.call('sendMessage', { body }))
  }
  for (const script of [{ dropAfter: 1 }, { errorAfter: 1 }, { garbageAfter: 1 }]) {
    upstream.script = script
    told.push(await (await openStream(alice, body)).rest())
  }
  told.push(await alice.call('getStatus'), await alice.call('getReadiness'))
  const everything = JSON.stringify([told, server.logged()])
  expect(everything).not.toContain(KEY)
  expect(everything).not.toContain(new URL(upstream.url).host)
})

test('nor what it told of itself, nor what the user said', async () => {
  const alice = await server.newUser()
  const secret = 'what the user confided'
  upstream.script = { errorAfter: 1 }
  await (await openStream(alice, { message: secret })).rest()
  upstream.script = { status: 500 }
  await alice.call('sendMessage', { body: { message: secret } })
  const logged = JSON.stringify(server.logged())
  expect(logged).not.toContain(secret)
  expect(logged).not.toContain('overloaded')
})
