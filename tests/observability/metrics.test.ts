import { describe, expect, test } from 'vitest'
import type { Operations } from '../../src/operations/operation.ts'
import { createPasswords } from '../../src/ports/passwords/passwords.ts'
import { type Metrics, readMetrics } from '../support/observability/metrics.ts'
import type { TestServer } from '../support/server.ts'
import { openStream, resumeStream } from '../support/wire/stream.ts'
import { until } from '../support/clock/until.ts'
import { startUpstream, type UpstreamScript } from '../support/upstream/upstream.ts'
import { send } from '../support/wire/wire.ts'
import { countResponses, closing, startWatched } from './metrics.given.ts'

async function startWithUpstream(script: UpstreamScript, env: Record<string, string> = {}) {
  const upstream = await startUpstream(script)
  closing.push(() => upstream.close())
  const server = await startWatched({ env: { CHAT_UPSTREAM_URL: upstream.url, ...env } })
  return { server, upstream }
}

/** Returns the counts of one metric by the value of a label. */
function countsByLabel({ samples }: Metrics, name: string, label: string): Record<string, number> {
  const counted = samples.filter((sample) => sample.name === name)
  return Object.fromEntries(counted.map(({ labels, value }) => [labels[label], value]))
}

/** Returns the same as `countResponses`, from the log. */
function countLoggedResponses(server: TestServer): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const line of server.logLines().filter(({ msg }) => msg === 'request')) {
    const name = `${(line['operationId'] as string | undefined) ?? 'none'} ${String(line['status'])}`
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}

describe('the counters', () => {
  test('agree with the log about responses by operation and status', async () => {
    const server = await startWatched()
    const alice = await server.createUser()

    for (let call = 0; call < 3; call += 1) await alice.expect(200, 'getProfile')
    await alice.expect(200, 'sendMessage', { body: { message: 'Hello' } })
    await (await openStream(alice, { message: 'Hello' })).rest()
    await server.anonymous.refused('unauthenticated', 'getProfile')
    await server.anonymous.refused('unauthenticated', 'getProfile')
    await send(`${server.url}/nowhere`)
    await send(`${server.url}/docs`)
    await send(`${server.url}/modes`)
    await until(() => Object.values(countLoggedResponses(server)).reduce((a, b) => a + b) === 11)

    const metrics = await readMetrics(server.metricsUrl)
    expect(countResponses(metrics)).toEqual(countLoggedResponses(server))
    expect(countResponses(metrics)).toMatchObject({
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

  test('count refusals by limit, and nothing else', async () => {
    const env = { RATE_LIMIT_CHAT: '2/60', MAX_OPEN_STREAMS: '1' }
    const { server, upstream } = await startWithUpstream({}, env)
    const alice = await server.createUser()
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
    expect(countsByLabel(metrics, 'parley_limit_refusals_total', 'policy')).toEqual({
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

  test('count engine failures by code, before and during an answer', async () => {
    const { server, upstream } = await startWithUpstream({ status: 401 })
    const alice = await server.createUser()
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
    expect(countsByLabel(metrics, 'parley_engine_failures_total', 'code')).toEqual({
      'context-too-long': 0,
      'upstream-failed': 1,
      'upstream-refused': 1,
      'upstream-timeout': 1,
    })
  })

  test('count contract violations by operation, and the responses that replace them as 500', async () => {
    const operations = (real: Operations): Operations => ({
      ...real,
      getStatus: () => Promise.resolve({ status: 200, body: { secret: 'leaked' } } as never),
    })
    const server = await startWatched({ allowsViolations: true, replacements: { operations } })
    await server.anonymous.refused('internal', 'getStatus')
    await server.anonymous.refused('internal', 'getStatus')
    await server.anonymous.expect(200, 'listModes')

    const metrics = await readMetrics(server.metricsUrl)
    const violations = countsByLabel(metrics, 'parley_contract_violations_total', 'operation')

    expect(violations).toMatchObject({ getStatus: 2, listModes: 0, none: 0 })
    expect(Object.values(violations).reduce((a, b) => a + b)).toBe(2)
    expect(countResponses(metrics)).toMatchObject({ 'getStatus 500': 2, 'listModes 200': 1 })
    expect(metrics.text).not.toContain('leaked')
  })
})

describe('the metrics of streams', () => {
  test('show the open streams, and how long each first event took', async () => {
    const { server, upstream } = await startWithUpstream({ stallAfter: 0 })
    const alice = await server.createUser()
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
  test('show the current hashes, and the connections of a pool', async () => {
    const passwords = createPasswords({ key: Buffer.alloc(32), cost: 4 })
    // A fake load, because how long a real hash takes depends on the machine.
    let load = { running: 2, waiting: 3 }
    const server = await startWatched({
      replacements: { deps: { passwords: { ...passwords, load: () => load } } },
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

  test('show memory and the event loop', async () => {
    const server = await startWatched()

    const { value } = await readMetrics(server.metricsUrl)

    expect(value('parley_process_resident_memory_bytes')).toBeGreaterThan(10_000_000)
    expect(value('parley_nodejs_heap_size_used_bytes')).toBeGreaterThan(1_000_000)
    expect(value('parley_nodejs_eventloop_lag_p99_seconds')).toBeGreaterThan(0)
  })
})
