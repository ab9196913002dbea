import { afterAll, beforeAll, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'
import { startUpstream, type TestUpstream } from '../support/upstream/upstream.ts'

/** Failures in a row that open the circuit, and how long it stays open (src/engine/upstream/connection/circuit-breaker.ts). */
const FAILURES = 5
const OPEN_MS = 15_000

let upstream: TestUpstream
let server: TestServer
beforeAll(async () => {
  upstream = await startUpstream()
  server = await startServer({ env: { CHAT_UPSTREAM_URL: upstream.url } })
})
afterAll(() => Promise.all([server.close(), upstream.close()]))

test('after repeated failures, calls are 502 with Retry-After without a request to the upstream, and readiness is degraded', async () => {
  const alice = await server.createUser()
  const body = { message: 'Hello' }
  const readiness = async () => (await server.anonymous.expect(200, 'getReadiness')).body.status
  expect(await readiness()).toBe('ready')

  upstream.script = { status: 500 }
  for (let calls = 0; calls < FAILURES; calls++) {
    const { headers } = await alice.refused('upstream-failed', 'sendMessage', { body })
    expect(headers['retry-after']).toBe('2')
  }
  const callsBefore = upstream.calls.length
  for (const call of ['sendMessage', 'streamMessage'] as const) {
    const { headers } = await alice.refused('upstream-failed', call, { body })
    expect(headers['retry-after']).toBe('15')
  }
  expect(await readiness()).toBe('degraded')
  expect(upstream.calls).toHaveLength(callsBefore)

  upstream.script = {}
  await server.clock.advance(OPEN_MS - 1)
  const { headers } = await alice.refused('upstream-failed', 'sendMessage', { body })
  expect(headers['retry-after']).toBe('1')
  await server.clock.advance(1)
  await alice.expect(200, 'sendMessage', { body })
  expect(await readiness()).toBe('ready')
})

test('the Retry-After of an overloaded upstream reaches the caller', async () => {
  const alice = await server.createUser()
  upstream.script = { status: 429, retryAfter: '40' }

  const { headers } = await alice.refused('upstream-failed', 'streamMessage', {
    body: { message: 'Hello' },
  })

  expect(headers['retry-after']).toBe('40')
})
