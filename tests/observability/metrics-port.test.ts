import { describe, expect, test } from 'vitest'
import { noMeter } from '../../src/ports/observability/meter.ts'
import { policies } from '../support/contract/contract.ts'
import { readMetrics, type Sample } from '../support/observability/metrics.ts'
import { openWorkplace } from '../support/process/process.ts'
import { startServer } from '../support/server.ts'
import { openStream } from '../support/wire/stream.ts'
import { until } from '../support/clock/until.ts'
import { startUpstream } from '../support/upstream/upstream.ts'
import { send, sendBytes } from '../support/wire/wire.ts'
import { countResponses, closing, startWatched } from './metrics.given.ts'

describe('the labels of the metrics', () => {
  const ALLOWED_VALUES: Record<string, (value: string) => boolean> = {
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

  /** The other metrics are Node's, with labels of its own. */
  const isOwn = (sample: Sample) => !/^parley_(nodejs|process)_/.test(sample.name)

  test('have few values, even for hostile requests', async () => {
    const server = await startWatched({ env: { RATE_LIMIT_ANONYMOUS: '60/3600' } })
    const alice = await server.createUser()
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

    for (const { name, labels } of samples.filter(isOwn)) {
      for (const [label, value] of Object.entries(labels)) {
        if (label === 'le') continue
        expect(ALLOWED_VALUES[label]?.(value), `${name} ${label}=${value}`).toBe(true)
      }
    }
    const { length } = samples.filter(({ name }) => name === 'parley_http_requests_total')
    expect(length).toBeLessThan(15)
  })

  test('keep two servers in one process apart', async () => {
    const [first, second] = [await startWatched(), await startWatched()]
    await first.anonymous.expect(200, 'listModes')

    const { value } = await readMetrics(second.metricsUrl)

    expect(value('parley_http_requests_total')).toBe(0)
    expect(countResponses(await readMetrics(first.metricsUrl))).toEqual({ 'listModes 200': 1 })
  })
})

describe('the metrics port', () => {
  test('serves only /metrics, which the API does not serve', async () => {
    const server = await startWatched()
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

  test('is closed by default, and then nothing is counted', async () => {
    const server = await startServer()
    closing.push(server.close)

    expect(server.parley.metricsServer).toBeUndefined()
    expect(server.parley.deps.meter).toBe(noMeter)
  })

  test('listens on the loopback address by default, and still answers while the server shuts down', async () => {
    const upstream = await startUpstream({ stallAfter: 1 })
    closing.push(() => upstream.close())
    const workplace = await openWorkplace()
    closing.push(() => workplace.close())
    const env = { METRICS_PORT: '0', CHAT_UPSTREAM_URL: upstream.url, HOST: '0.0.0.0' }
    const parley = await workplace.start(env)
    const shown = await until(() => /Metrics +(\S+)/.exec(parley.stderr())?.[1])
    expect(shown).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/metrics$/)

    const alice = await parley.logIn()
    const stream = await openStream(alice, { message: 'Hello' })
    await stream.next()
    parley.signal('SIGTERM')
    await until(() =>
      send(`${parley.url}/api/v1/health`).then(
        () => false,
        () => true,
      ),
    )
    expect((await readMetrics(shown)).value('parley_streams_open')).toBe(1)

    upstream.release()
    await stream.rest()
    expect(await parley.exited).toEqual({ code: 0, signal: null })
    await expect(send(shown)).rejects.toThrow()
  })
})
