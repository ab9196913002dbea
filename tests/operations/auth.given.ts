/* Sets up a server with a clock that tests move, and calls of its public authentication operations. */

import { afterAll, beforeAll } from 'vitest'
import type { Problem } from '../../generated/api.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { JumpingClock } from '../support/clock/jumping-clock.ts'
import { startServer, type TestServer } from '../support/server.ts'

export let testStore: TestStore
export let server: TestServer
export let clock: JumpingClock

beforeAll(async () => {
  testStore = await openTestStore()
  clock = new JumpingClock('2026-11-23T09:00:00.000Z')
  server = await startServer({ testStore, clock })
})

afterAll(async () => {
  await server.close()
  await testStore.close()
})

export const logIn = (email: string, password: string) =>
  server.anonymous.call('logIn', { body: { email, password } })

/** Returns the next pair of tokens. */
export async function refresh(refreshToken: string) {
  return (await server.anonymous.expect(200, 'refreshTokens', { body: { refreshToken } })).body
}

/** Expects that the refresh is refused with this problem. */
export const refusedRefresh = (code: Problem['code'], refreshToken: string) =>
  server.anonymous.refused(code, 'refreshTokens', { body: { refreshToken } })
