import type { Store } from '../../../src/store/store.ts'
import { createClient, type Client } from '../client.ts'
import { TestClock } from '../clock/clock.ts'
import { openTestStore, type TestStore } from '../database/database.ts'
import { startServer, type TestServer, type TestServerOptions } from '../server.ts'

/** Several servers on one database, which none treats as embedded. */
export type Instances = {
  testStore: TestStore
  servers: readonly TestServer[]
  /** Returns the same caller on another server. */
  on(server: TestServer, client: Client): Client
  close(): Promise<void>
}

/** @param optionsOf returns the options of each server; those without a clock share one */
export async function startInstances(
  optionsOf: (store: Store) => readonly TestServerOptions[],
): Promise<Instances> {
  const testStore = await openTestStore()
  const clock = new TestClock('2026-11-23T09:00:00.000Z')
  const servers: TestServer[] = []
  for (const options of optionsOf(testStore.store)) {
    const store = options.replacements?.deps?.store ?? testStore.store
    const deps = { ...options.replacements?.deps, store: { ...store, embedded: false } }
    servers.push(await startServer({ clock, ...options, testStore, replacements: { deps } }))
  }
  return {
    testStore,
    servers,
    on: (server, client) => createClient(server.url, client.identity),
    async close() {
      for (const server of servers) await server.close()
      await testStore.close()
    },
  }
}
