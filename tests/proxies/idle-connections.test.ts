import { Agent } from 'node:http'
import type { Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/clock/until.ts'
import { send } from '../support/wire/wire.ts'

/** How long nginx and the large load balancers keep an idle connection. */
const PROXY_IDLE_MS = 60_000

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())

test('an idle connection stays open longer than a proxy keeps it, so that the proxy never reuses a closed one', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const free = (): Socket | undefined => Object.values(agent.freeSockets).flat()[0]
  const call = async () => {
    expect((await send(`${server.url}/api/v1/health`, { agent })).status).toBe(200)
    return until(free)
  }
  const first = await call()

  await server.clock.advance(PROXY_IDLE_MS + 10_000)

  expect(server.parley.server.keepAliveTimeout).toBeGreaterThan(PROXY_IDLE_MS)
  expect(await call()).toBe(first)

  agent.destroy()
})
