import { Agent } from 'node:http'
import type { Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/clock/until.ts'
import { send } from '../support/wire/wire.ts'

/** How long nginx and the large balancers keep a connection without a call. */
const OF_PROXIES_MS = 60_000

let server: TestServer
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.close())

test('a connection without a call outlives the patience of a proxy, so that no call meets its end', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const free = (): Socket | undefined => Object.values(agent.freeSockets).flat()[0]
  const call = async () => {
    expect((await send(`${server.url}/api/v1/health`, { agent })).status).toBe(200)
    return until(free)
  }
  const first = await call()
  await server.clock.advance(OF_PROXIES_MS + 10_000)
  expect(server.parley.server.keepAliveTimeout).toBeGreaterThan(OF_PROXIES_MS)
  expect(await call()).toBe(first)

  agent.destroy()
})
