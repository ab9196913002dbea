import { afterEach } from 'vitest'
import type { Metrics } from '../support/observability/metrics.ts'
import { startServer, type TestServer, type TestServerOptions } from '../support/server.ts'

/** Functions that run after each test, the last one first. */
export const closing: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** Starts a server with a metrics port; it is closed after the test. */
export async function startWatched(options: TestServerOptions = {}): Promise<TestServer> {
  const server = await startServer({ ...options, env: { METRICS_PORT: '0', ...options.env } })
  closing.push(server.close)
  return server
}

/** Returns the counted responses: `getProfile 200` -> number. */
export function countResponses({ samples }: Metrics): Record<string, number> {
  const counted = samples.filter(({ name }) => name === 'parley_http_requests_total')
  return Object.fromEntries(
    counted.map(({ labels, value }) => [`${labels['operation']} ${labels['status']}`, value]),
  )
}
