import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Operations } from '../../src/operations/operation.ts'
import { queries } from '../support/observability/dashboard.ts'
import type { Client } from '../support/client.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import {
  hasPrometheus,
  type PrometheusServer,
  startPrometheus,
} from '../support/observability/prometheus-server.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { openStream } from '../support/wire/stream.ts'
import { until } from '../support/clock/until.ts'
import { startUpstream, type TestUpstream } from '../support/upstream/upstream.ts'

const PATIENCE_MS = 60_000
/** The values that Grafana substitutes for its variables. */
const VARIABLES: Record<string, string> = {
  $job: '.*',
  $instance: '.*',
  $__rate_interval: '1m',
  $__range: '1h',
}

const substituteVariables = (expr: string) =>
  expr.replaceAll(/\$\w+/g, (name) => VARIABLES[name] ?? `unknown variable ${name}`)

describe.skipIf(!hasPrometheus)('Prometheus that scrapes a server with traffic', () => {
  let testStore: TestStore
  let upstream: TestUpstream
  let server: TestServer
  let alice: Client
  let prometheus: PrometheusServer
  beforeAll(async () => {
    testStore = await openTestStore()
    upstream = await startUpstream()
    const { store } = testStore
    // The embedded database has no pool of connections: this one stands for PostgreSQL's.
    const connections = () => store.connections() ?? { idle: 1, busy: 2, waiting: 3, most: 10 }
    const invalidReply = () => Promise.resolve({ status: 299 } as never)
    server = await startServer({
      allowsViolations: true,
      testStore,
      env: {
        METRICS_PORT: '0',
        CHAT_UPSTREAM_URL: upstream.url,
        RATE_LIMIT_SIGN_IN_ACCOUNT: '1/900',
      },
      replacements: {
        deps: { store: { ...store, connections } },
        operations: (real: Operations) => ({ ...real, getStatus: invalidReply }),
      },
    })
    alice = await server.createUser()
    prometheus = await startPrometheus(server.metricsUrl)
  })
  afterAll(async () => {
    await prometheus.close()
    await server.close()
    await upstream.close()
    await testStore.close()
  })

  /** Causes some of everything that the dashboard shows. */
  async function causeTraffic(): Promise<void> {
    upstream.script = {}
    await (await openStream(alice, { message: 'Hello' })).rest()
    upstream.script = { status: 400 }
    await alice.call('sendMessage', { body: { message: 'Hello' } })
    await server.anonymous.refused('internal', 'getStatus')
    const body = { email: 'nobody@example.com', password: 'not the password' }
    await server.anonymous.call('logIn', { body })
  }

  test.each(queries)(
    'answers the query of "$title": $expr',
    async ({ expr }) => {
      // A rate needs two scrapes.
      const samples = await until(async () => {
        await causeTraffic()
        const found = await prometheus.query(substituteVariables(expr))
        return found.length > 0 && found
      }, PATIENCE_MS)

      for (const { value } of samples) expect(Number(value[1])).toBeGreaterThanOrEqual(0)
    },
    2 * PATIENCE_MS,
  )
})
