import { afterEach, describe, expect, test } from 'vitest'
import type { Operations } from '../../src/operations/operation.ts'
import { noMeter } from '../../src/ports/observability/meter.ts'
import { createPasswords } from '../../src/ports/passwords/passwords.ts'
import { policies } from '../support/contract/contract.ts'
import { type Metrics, readMetrics, type Sample } from '../support/observability/metrics.ts'
import { openWorkplace } from '../support/process/process.ts'
import { startServer, type TestServer, type TestServerOptions } from '../support/server.ts'
import { openStream, resumeStream } from '../support/wire/stream.ts'
import { until } from '../support/clock/until.ts'
import { startUpstream, type UpstreamScript } from '../support/upstream/upstream.ts'
import { send, sendBytes } from '../support/wire/wire.ts'

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** A server that is watched. */
async function start(options: TestServerOptions = {}): Promise<TestServer> {
  const server = await startServer({ ...options, env: { METRICS_PORT: '0', ...options.env } })
  closing.push(server.close)
  return server
}

async function startWithUpstream(script: UpstreamScript, env: Record<string, string> = {}) {
  const upstream = await startUpstream(script)
  closing.push(() => upstream.close())
  const server = await start({ env: { CHAT_UPSTREAM_URL: upstream.url, ...env } })
  return { server, upstream }
}

/** Counted answers: `getProfile 200` -> how many. */
function answersIn({ samples }: Metrics): Record<string, number> {
  const counted = samples.filter(({ name }) => name === 'parley_http_requests_total')
  return Object.fromEntries(
    counted.map(({ labels, value }) => [`${labels['operation']} ${labels['status']}`, value]),
  )
}

/** The counts of one name, by the one label that tells them apart. */
function countsOf({ samples }: Metrics, name: string, label: string): Record<string, number> {
  const counted = samples.filter((sample) => sample.name === name)
  return Object.fromEntries(counted.map(({ labels, value }) => [labels[label], value]))
}

/** The same as `answersIn`, from the log. */
function answersLogged(server: TestServer): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const line of server.logged().filter(({ msg }) => msg === 'request')) {
    const name = `${(line['operationId'] as string | undefined) ?? 'none'} ${String(line['status'])}`
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}

describe('the counts', () => {
  test('of answers are those of the log, by operation and status', async () => {
    const server = await start()
    const alice = await server.newUser()
    for (let call = 0; call < 3; call += 1) await alice.expect(200, 'getProfile')
    await alice.expect(200, 'sendMessage', { body: { message: 'Hello' } })
    await (await openStream(alice, { message: 'Hello' })).rest()
    await server.anybody.refused('unauthenticated', 'getProfile')
    await server.anybody.refused('unauthenticated', 'getProfile')
    await send(`${server.url}/nowhere`)
    await send(`${server.url}/docs`)
    await send(`${server.url}/modes`)
    await until(() => Object.values(answersLogged(server)).reduce((a, b) => a + b) === 11)
    const metrics = await readMetrics(server.metricsUrl)
    expect(answersIn(metrics)).toEqual(answersLogged(server))
    expect(answersIn(metrics)).toMatchObject({
      'getProfile 200': 3,
      'getProfile 401': 2,
      'sendMessage 200': 1,
      'streamMessage 200': 1,
      'none 404': 1,
      'none 200': 1,
    })
    const took = { operation: 'getProfile' }
    expect(metrics.value('parley_http_request_duration_seconds_count', took)).toBe(5)
  })

  test('of limits that refuse are by policy, and only of what was refused', async () => {
    const env = { RATE_LIMIT_CHAT: '2/60', MAX_OPEN_STREAMS: '1' }
    const { server, upstream } = await startWithUpstream({}, env)
    const alice = await server.newUser()
    const body = { message: 'Hello' }
    await alice.expect(200, 'sendMessage', { body })
    upstream.script = { stallAfter: 1 }
    const open = await openStream(alice, body)
    for (let call = 0; call < 3; call += 1) {
      await alice.refused('quota-exceeded', 'sendMessage', { body })
    }
    const start = (await open.next())!.event
    if (start.type !== 'message.start') throw new Error(start.type)
    const { generationId } = start
    await alice.refused('too-many-streams', 'resumeStream', { path: { generationId } })
    const metrics = await readMetrics(server.metricsUrl)
    expect(countsOf(metrics, 'parley_limit_refusals_total', 'policy')).toEqual({
      anonymous: 0,
      user: 0,
      chat: 3,
      'sign-in-address': 0,
      'sign-in-account': 0,
      streams: 1,
      exports: 0,
    })
    upstream.release()
    await open.rest()
  })

  test('of engine failures are by code, before an answer has begun and in the middle of it', async () => {
    const { server, upstream } = await startWithUpstream({ status: 401 })
    const alice = await server.newUser()
    const body = { message: 'Hello' }
    await alice.refused('upstream-refused', 'sendMessage', { body })
    upstream.script = { garbageAfter: 1 }
    await (await openStream(alice, body)).rest()
    upstream.script = { stallAfter: 0 }
    const late = alice.refused('upstream-timeout', 'sendMessage', { body })
    await upstream.completion(3)
    await server.clock.advance(60_000)
    await late
    upstream.script = {}
    await alice.expect(200, 'sendMessage', { body })
    const metrics = await readMetrics(server.metricsUrl)
    expect(countsOf(metrics, 'parley_engine_failures_total', 'code')).toEqual({
      'context-too-long': 0,
      'upstream-failed': 1,
      'upstream-refused': 1,
      'upstream-timeout': 1,
    })
  })

  test('of broken promises are by operation, and what goes out instead is counted as what it is', async () => {
    const operations = (real: Operations): Operations => ({
      ...real,
      getStatus: () => Promise.resolve({ status: 200, body: { secret: 'leaked' } } as never),
    })
    const server = await start({ violates: true, instead: { operations } })
    await server.anybody.refused('internal', 'getStatus')
    await server.anybody.refused('internal', 'getStatus')
    await server.anybody.expect(200, 'listModes')
    const metrics = await readMetrics(server.metricsUrl)
    const violations = countsOf(metrics, 'parley_contract_violations_total', 'operation')
    expect(violations).toMatchObject({ getStatus: 2, listModes: 0, none: 0 })
    expect(Object.values(violations).reduce((a, b) => a + b)).toBe(2)
    expect(answersIn(metrics)).toMatchObject({ 'getStatus 500': 2, 'listModes 200': 1 })
    expect(metrics.text).not.toContain('leaked')
  })
})

describe('a stream', () => {
  test('shows while it is open, and how long its first event took', async () => {
    const { server, upstream } = await startWithUpstream({ stallAfter: 0 })
    const alice = await server.newUser()
    const opening = openStream(alice, { message: 'Hello' })
    await upstream.completion(1)
    await server.clock.advance(2_500)
    upstream.script = { stallAfter: 1 }
    const before = await readMetrics(server.metricsUrl)
    expect(before.value('parley_generations_running')).toBe(1)
    expect(before.value('parley_stream_first_frame_seconds_count')).toBe(0)
    upstream.release()
    await (await opening).rest()

    const second = await openStream(alice, { message: 'Again' })
    const start = (await second.next())!.event
    if (start.type !== 'message.start') throw new Error(start.type)
    const resumed = await resumeStream(alice, start.generationId)
    await resumed.next()
    const open = await readMetrics(server.metricsUrl)
    expect(open.value('parley_streams_open')).toBe(2)
    expect(open.value('parley_generations_running')).toBe(1)
    upstream.release()
    await Promise.all([second.rest(), resumed.rest()])
    await until(async () => {
      const { value } = await readMetrics(server.metricsUrl)
      return value('parley_streams_open') === 0 && value('parley_generations_running') === 0
    })
    const { value } = await readMetrics(server.metricsUrl)
    const first = 'parley_stream_first_frame_seconds'
    const streamed = { operation: 'streamMessage' }
    expect(value(`${first}_count`, streamed)).toBe(2)
    expect(value(`${first}_sum`, streamed)).toBe(2.5)
    expect(value(`${first}_bucket`, { ...streamed, le: '2' })).toBe(1)
    expect(value(`${first}_bucket`, { ...streamed, le: '3' })).toBe(2)
    expect(value(`${first}_count`, { operation: 'resumeStream' })).toBe(1)
  })
})

describe('the gauges', () => {
  test('are read when somebody asks: hashes, and connections where there are any', async () => {
    const passwords = createPasswords({ key: Buffer.alloc(32), cost: 4 })
    // How long a hash takes is for the machine to say: what there is of them is said here.
    let load = { running: 2, waiting: 3 }
    const server = await start({
      instead: { deps: { passwords: { ...passwords, load: () => load } } },
    })
    const now = await readMetrics(server.metricsUrl)
    expect(now.value('parley_hashes_running')).toBe(2)
    expect(now.value('parley_hashes_waiting')).toBe(3)
    load = { running: 1, waiting: 0 }
    const later = await readMetrics(server.metricsUrl)
    expect(later.value('parley_hashes_running')).toBe(1)
    expect(later.value('parley_hashes_waiting')).toBe(0)
    const pool = server.parley.deps.store.connections()
    const shown = later.samples.filter(({ name }) => name.startsWith('parley_database_'))
    if (!pool) expect(shown).toEqual([])
    else expect(later.value('parley_database_connections_max')).toBe(pool.most)
  })

  test('tell of memory and of the event loop', async () => {
    const server = await start()
    const { value } = await readMetrics(server.metricsUrl)
    expect(value('parley_process_resident_memory_bytes')).toBeGreaterThan(10_000_000)
    expect(value('parley_nodejs_heap_size_used_bytes')).toBeGreaterThan(1_000_000)
    expect(value('parley_nodejs_eventloop_lag_p99_seconds')).toBeGreaterThan(0)
  })
})

describe('labels', () => {
  const FEW: Record<string, (value: string) => boolean> = {
    operation: (value) =>
      value === 'none' || policies.operations.some(({ operationId }) => operationId === value),
    status: (value) => /^[2-5]\d\d$/.test(value),
    policy: (value) => ['exports', 'streams'].includes(value) || value in policies.limits,
    code: (value) =>
      ['context-too-long', 'upstream-failed', 'upstream-refused', 'upstream-timeout'].includes(
        value,
      ),
    state: (value) => ['busy', 'idle', 'waiting'].includes(value),
  }

  /** What is ours; of the rest only Node knows the names. */
  const ours = (sample: Sample) => !/^parley_(nodejs|process)_/.test(sample.name)

  test('are of few, whatever anybody sends', async () => {
    const server = await start({ env: { RATE_LIMIT_ANONYMOUS: '60/3600' } })
    const alice = await server.newUser()
    const hostile = 'hostile"}\\n1'
    for (let call = 0; call < 40; call += 1) {
      const word = `hostile-${call}`
      await send(`${server.url}/${word}?${word}=1`, { headers: { 'X-Request-Id': word } })
      await send(`${server.url}/api/v1/conversations/${word}`, { headers: alice.credentials })
      await send(`${server.url}/api/v1/status`, { method: 'PROPFIND', headers: { Origin: word } })
      await send(`${server.url}/api/v1/${encodeURIComponent(hostile)}/%zz`, { method: 'DELETE' })
    }
    await sendBytes(server.url, `HOSTILE /hostile HTTP/1.1\r\nHost: x\r\n\r\n`)
    await alice.call('sendMessage', { body: { message: 'hostile', mode: 'hostile' } })
    const { samples, text } = await readMetrics(server.metricsUrl)
    expect(text.toLowerCase()).not.toContain('hostile')
    expect(text).not.toContain('127.0.0.1')
    for (const { name, labels } of samples.filter(ours)) {
      for (const [label, value] of Object.entries(labels)) {
        if (label === 'le') continue
        expect(FEW[label]?.(value), `${name} ${label}=${value}`).toBe(true)
      }
    }
    const { length } = samples.filter(({ name }) => name === 'parley_http_requests_total')
    expect(length).toBeLessThan(15)
  })

  test('of two servers in a process do not mix', async () => {
    const [first, second] = [await start(), await start()]
    await first.anybody.expect(200, 'listModes')
    const { value } = await readMetrics(second.metricsUrl)
    expect(value('parley_http_requests_total')).toBe(0)
    expect(answersIn(await readMetrics(first.metricsUrl))).toEqual({ 'listModes 200': 1 })
  })
})

describe('the port', () => {
  test('has /metrics and nothing else, and the API has no /metrics', async () => {
    const server = await start()
    const base = server.metricsUrl.replace('/metrics', '')
    const found = await send(server.metricsUrl)
    expect(found.status).toBe(200)
    expect(found.headers['content-type']).toContain('text/plain; version=0.0.4')
    expect((await send(`${server.metricsUrl}?x=1`)).status).toBe(200)
    expect((await send(server.metricsUrl, { method: 'HEAD' })).text).toBe('')
    const refused = await send(server.metricsUrl, { method: 'POST', body: 'x' })
    expect([refused.status, refused.headers['allow']]).toEqual([405, 'GET, HEAD'])
    for (const path of ['/', '/api/v1/health', '/metrics/', '/docs']) {
      expect((await send(base + path)).status).toBe(404)
    }
    expect((await send(`${server.url}/metrics`)).status).toBe(404)
  })

  test('is not there unless it is asked for, and then nothing is counted', async () => {
    const server = await startServer()
    closing.push(server.close)
    expect(server.parley.metricsServer).toBeUndefined()
    expect(server.parley.deps.meter).toBe(noMeter)
  })

  test('is on this machine alone unless told, and still answers while the server drains', async () => {
    const upstream = await startUpstream({ stallAfter: 1 })
    closing.push(() => upstream.close())
    const workplace = await openWorkplace()
    closing.push(() => workplace.close())
    const env = { METRICS_PORT: '0', CHAT_UPSTREAM_URL: upstream.url, HOST: '0.0.0.0' }
    const program = await workplace.start(env)
    const shown = await until(() => /Metrics +(\S+)/.exec(program.stderr())?.[1])
    expect(shown).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/)
    const alice = await program.logIn()
    const stream = await openStream(alice, { message: 'Hello' })
    await stream.next()
    program.signal('SIGTERM')
    await until(() =>
      send(`${program.url}/api/v1/health`).then(
        () => false,
        () => true,
      ),
    )
    expect((await readMetrics(shown)).value('parley_streams_open')).toBe(1)
    upstream.release()
    await stream.rest()
    expect(await program.exited).toEqual({ code: 0, signal: null })
    await expect(send(shown)).rejects.toThrow()
  })
})
