import { afterAll, beforeAll } from 'vitest'
import type { Client } from '../support/client.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { JumpingClock } from '../support/clock/jumping-clock.ts'
import { startServer, type TestServer } from '../support/server.ts'

// A server whose clock can jump, and its first administrator.
export let testStore: TestStore
export let clock: JumpingClock
export let server: TestServer
export let admin: Client

beforeAll(async () => {
  testStore = await openTestStore()
  clock = new JumpingClock('2026-11-23T09:00:00.000Z')
  server = await startServer({ testStore, clock })
  await logInAdmin()
})

afterAll(async () => {
  await server.close()
  await testStore.close()
})

/** Renews the session of `admin`, which a jump of the clock may have ended. */
export async function logInAdmin(): Promise<void> {
  admin = await server.admin()
}
