import { afterEach } from 'vitest'
import type { Metrics } from '../support/observability/metrics.ts'
import { startServer, type TestServer, type TestServerOptions } from '../support/server.ts'

export const closing: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** A server that is watched. */
export async function start(options: TestServerOptions = {}): Promise<TestServer> {
  const server = await startServer({ ...options, env: { METRICS_PORT: '0', ...options.env } })
  closing.push(server.close)
  return server
}

/** Counted answers: `getProfile 200` -> how many. */
export function answersIn({ samples }: Metrics): Record<string, number> {
  const counted = samples.filter(({ name }) => name === 'parley_http_requests_total')
  return Object.fromEntries(
    counted.map(({ labels, value }) => [`${labels['operation']} ${labels['status']}`, value]),
  )
}
