import { afterAll, beforeAll } from 'vitest'
import type { Store } from '../../src/store/store.ts'
import { interruptible } from '../support/account-calls.ts'
import { TestClock } from '../support/clock/clock.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { startServer, type TestServer } from '../support/server.ts'

export const TIMEOUT_MS = 240_000

const env = { ACCESS_TOKEN_TTL_SECONDS: '60', MAX_OPEN_STREAMS: '1000' }

// Two instances on one database.
export let testStore: TestStore
export let clock: TestClock
/** The instance on which accounts are closed. */
export let here: TestServer
/** The instance that learns of it only when the clock advances, on a store that a test can interrupt. */
export let there: TestServer
export let interrupted: ReturnType<typeof interruptible>

/** Starts an instance that polls the database for changes, as on PostgreSQL. */
export const startInstance = (store: Store) =>
  startServer({
    testStore,
    clock,
    env,
    replacements: { deps: { store: { ...store, embedded: false } } },
  })

beforeAll(async () => {
  testStore = await openTestStore()
  clock = new TestClock('2026-11-23T09:00:00.000Z')
  interrupted = interruptible(testStore.store)
  here = await startInstance(testStore.store)
  there = await startInstance(interrupted.store)
})

afterAll(async () => {
  await there.close()
  await here.close()
  await testStore.close()
})

export const waitUntilSettled = () =>
  Promise.all([here, there].map(({ parley }) => parley.services.generations.settled()))
