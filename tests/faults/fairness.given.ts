import { afterAll, beforeAll } from 'vitest'
import { createDeferred } from '../../src/lib/deferred.ts'
import { NodeEventLoop } from '../../src/ports/clock/event-loop.ts'
import type { Client } from '../support/client.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { spyOnStore, type SpyStore } from '../support/database/spy-store.ts'

export let testStore: TestStore
export let spyStore: SpyStore
export let server: TestServer

/** The turns of the event loop that long work may take before it waits for `resumed`. */
export const longWork = { turnsLeft: Infinity, resumed: createDeferred<undefined>() }

beforeAll(async () => {
  testStore = await openTestStore()
  spyStore = spyOnStore(testStore.store)
  const real = new NodeEventLoop()
  const eventLoop = {
    async yield() {
      longWork.turnsLeft -= 1
      if (longWork.turnsLeft < 0) await longWork.resumed.promise
      await real.yield()
    },
  }
  server = await startServer({
    testStore,
    replacements: { deps: { store: spyStore.store, eventLoop } },
  })
})

afterAll(async () => {
  await server.close()
  await testStore.close()
})

export const getAccountId = async (client: Client) =>
  (await client.expect(200, 'getProfile')).body.id
