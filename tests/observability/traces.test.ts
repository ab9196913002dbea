import { afterEach, expect, test } from 'vitest'
import { readConfig } from '../../src/config/config.ts'
import { type CollectedSpan, startCollector } from '../support/observability/collector.ts'
import { policies } from '../support/contract/contract.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { openStream } from '../support/wire/stream.ts'
import { until } from '../support/clock/until.ts'
import { startUpstream } from '../support/upstream/upstream.ts'
import { send } from '../support/wire/wire.ts'

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function startTraced(env: Record<string, string> = {}, status = 200) {
  const collector = await startCollector(status)
  closing.push(collector.close)
  const server = await startServer({ env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...env } })
  closing.push(server.close)
  /** Returns the spans of one call when its log line is written. */
  const spansOf = async (requestId: string): Promise<CollectedSpan[]> => {
    const { traceId } = await until(() => findLogLine(server, requestId))
    await server.parley.deps.tracer!.flush()
    return collector.spans.filter((span) => span.traceId === traceId)
  }
  return { server, collector, spansOf }
}

function findLogLine(server: TestServer, requestId: string) {
  return server
    .logLines()
    .find((line) => line['msg'] === 'request' && line['requestId'] === requestId)
}

function findSpan(spans: CollectedSpan[], name: string): CollectedSpan {
  const found = spans.filter((span) => span.name === name)
  expect(found, `${name} in ${spans.map((span) => span.name).join()}`).toHaveLength(1)
  return found[0]!
}

test('a stream is one trace: the spans of the engine and the store are children of its request', async () => {
  const { server, spansOf } = await startTraced()
  const alice = await server.createUser()

  await (await openStream(alice, { message: 'Hello' }, { 'X-Request-Id': 'the-stream' })).rest()

  const spans = await spansOf('the-stream')
  const request = findSpan(spans, 'POST /chat/stream')
  expect(request.parentSpanId).toBeUndefined()
  expect(request.failed).toBe(false)
  expect(request.attributes).toEqual({
    'http.request.method': 'POST',
    'http.response.status_code': 200,
    'http.route': '/chat/stream',
    'parley.caller': 'user',
    'parley.operation': 'streamMessage',
    'parley.request_id': 'the-stream',
  })
  const engine = findSpan(spans, 'engine.answer')
  expect(engine).toMatchObject({ parentSpanId: request.spanId, events: ['first piece'] })
  expect(findSpan(spans, 'store.generations.start').parentSpanId).toBe(request.spanId)
  expect(findSpan(spans, 'store.generations.finish').parentSpanId).toBe(request.spanId)
})

test('the trace of a login has a span for the verification of the password', async () => {
  const { server, spansOf } = await startTraced()
  const { email, password } = (await server.createUser()).identity
  const headers = { 'X-Request-Id': 'the-login' }
  await server.anonymous.expect(200, 'logIn', { body: { email, password }, headers })

  const spans = await spansOf('the-login')
  const { spanId } = findSpan(spans, 'POST /auth/login')

  expect(findSpan(spans, 'passwords.verify').parentSpanId).toBe(spanId)
})

test('a valid traceparent of the caller is continued, and an invalid one is ignored', async () => {
  const { server, spansOf } = await startTraced()
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  const spanId = 'b7ad6b7169203331'
  const call = (id: string, traceparent: string) =>
    send(`${server.url}/api/v1/modes`, { headers: { traceparent, 'X-Request-Id': id } })

  await call('given', `00-${traceId}-${spanId}-01`)
  expect(findSpan(await spansOf('given'), 'GET /modes')).toMatchObject({
    traceId,
    parentSpanId: spanId,
  })

  await call('odd', `00-${'0'.repeat(32)}-${spanId}-01`)
  await call('junk', `hostile ${'x'.repeat(2_000)}`)
  for (const id of ['odd', 'junk']) {
    const span = findSpan(await spansOf(id), 'GET /modes')
    expect(span.parentSpanId).toBeUndefined()
    expect(span.traceId).toMatch(/^(?!0+$)[0-9a-f]{32}$/)
  }

  await call('not-sampled', `00-${traceId.replace('0af', '1af')}-${spanId}-00`)
  expect(await spansOf('not-sampled')).toEqual([])
})

test('a failure marks its span and that of the request with the problem code', async () => {
  const upstream = await startUpstream({ status: 401 })
  closing.push(() => upstream.close())
  const { server, spansOf } = await startTraced({ CHAT_UPSTREAM_URL: upstream.url })
  const alice = await server.createUser()
  const headers = { 'X-Request-Id': 'failing' }

  await alice.refused('upstream-refused', 'sendMessage', {
    body: { message: 'Hello' },
    headers,
  })

  const spans = await spansOf('failing')
  const why = { 'error.type': 'upstream-refused' }
  expect(findSpan(spans, 'engine.answer')).toMatchObject({ failed: true, attributes: why })
  const request = findSpan(spans, 'POST /chat')
  expect(request).toMatchObject({ failed: true, attributes: why })
  expect(request.attributes['parley.problem']).toBe('upstream-refused')
})

test('a trace contains no text of a caller except the request id', async () => {
  const { server, collector, spansOf } = await startTraced()
  const alice = await server.createUser()
  const { email, password, accessToken, refreshToken } = alice.identity
  await alice.expect(200, 'sendMessage', { body: { message: 'a hostile message' } })
  await server.anonymous.refused('token-invalid', 'refreshTokens', {
    body: { refreshToken: 'hostile token' },
  })
  const odd = { 'User-Agent': 'hostile agent', tracestate: 'hostile=1', 'X-Request-Id': 'last' }

  await send(`${server.url}/hostile?hostile=1`, { headers: odd, method: 'PROPFIND' })

  expect(findSpan(await spansOf('last'), '_OTHER').attributes).toEqual({
    'http.request.method': '_OTHER',
    'http.response.status_code': 404,
    'parley.caller': 'anonymous',
    'parley.problem': 'not-found',
    'parley.request_id': 'last',
  })

  const sent = collector.bodies.join('')
  expect(sent).toContain('store.')
  for (const secret of ['hostile', email, password, accessToken, refreshToken, '127.0.0.1']) {
    expect(sent).not.toContain(secret)
  }
})

test('the collector receives the configured headers and service name', async () => {
  const { server, collector } = await startTraced({
    OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=north%20west,authorization=Bearer%20abc',
    OTEL_SERVICE_NAME: 'parley-north',
  })
  await server.anonymous.expect(200, 'listModes')
  await until(() => server.logLines().some(({ operationId }) => operationId === 'listModes'))

  await server.parley.deps.tracer!.flush()

  expect(collector.headers[0]).toMatchObject({
    'x-tenant': 'north west',
    authorization: 'Bearer abc',
  })
  expect(collector.bodies[0]).toContain('parley-north')
})

test('a collector that refuses traces costs one log line and no call', async () => {
  const { server } = await startTraced({}, 400)
  const alice = await server.createUser()

  for (let call = 0; call < 3; call += 1) {
    await alice.expect(200, 'getProfile')
    await server.parley.deps.tracer!.flush().catch(() => undefined)
  }
  const lost = server.logLines().filter(({ msg }) => String(msg).startsWith('traces are lost'))

  expect(lost).toHaveLength(1)
})

test('without a collector there is no tracer, and log lines have no trace id', async () => {
  const server = await startServer()
  closing.push(server.close)
  expect(server.parley.deps.tracer).toBeUndefined()

  await server.anonymous.expect(200, 'listModes')
  const line = await until(() => server.logLines().find(({ msg }) => msg === 'request'))
  expect(line).not.toHaveProperty('traceId')
})

test.each([
  [{}, undefined],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318/' }, 'http://c:4318/v1/traces'],
  [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://c:4318/t' }, 'http://c:4318/t'],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318', OTEL_SDK_DISABLED: 'TRUE' }, undefined],
])('%j sends traces to %s', (env, url) => {
  expect(readConfig(env, Object.keys(policies.limits)).traces?.url).toBe(url)
})
