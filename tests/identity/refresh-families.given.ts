import { afterAll, beforeAll, expect } from 'vitest'
import type { Problem } from '../../generated/api.ts'
import type { Client, Tokens } from '../support/client.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { JumpingClock, SECOND_MS } from '../support/clock/jumping-clock.ts'
import { startServer, type TestServer } from '../support/server.ts'

/** How long a used token is answered with the same pair. */
export const REUSE_GRACE_MS = 30 * SECOND_MS

export const CONCURRENCY = 20

// A server whose clock can jump; its store is shared with the servers of `withServer`.
let testStore: TestStore
export let clock: JumpingClock
export let server: TestServer

beforeAll(async () => {
  testStore = await openTestStore()
  clock = new JumpingClock('2026-11-23T09:00:00.000Z')
  server = await startServer({ testStore, clock })
})

afterAll(async () => {
  await server.close()
  await testStore.close()
})

export const tryToRefresh = (refreshToken: string, at = server) =>
  at.anonymous.call('refreshTokens', { body: { refreshToken } })

export const refresh = async (refreshToken: string, at = server): Promise<Tokens> =>
  (await at.anonymous.expect(200, 'refreshTokens', { body: { refreshToken } })).body

export const expectRefused = (code: Problem['code'], refreshToken: string, at = server) =>
  at.anonymous.refused(code, 'refreshTokens', { body: { refreshToken } })

export const concurrently = <T>(act: (i: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: CONCURRENCY }, (_, i) => act(i)))

/** Opens another session of the user. */
export async function openSession({ identity, with: withTokens }: Client): Promise<Client> {
  const { email, password } = identity
  return withTokens(
    (await server.anonymous.expect(200, 'logIn', { body: { email, password } })).body,
  )
}

export async function expectInvalid(tokens: Tokens, at = server) {
  const { body } = await at.anonymous.with(tokens).refused('token-invalid', 'getProfile')
  expect(body).not.toHaveProperty('detail')
  await expectRefused('token-invalid', tokens.refreshToken, at)
}

export async function expectValid(tokens: Tokens, at = server): Promise<Tokens> {
  await at.anonymous.with(tokens).expect(200, 'getProfile')
  return refresh(tokens.refreshToken, at)
}

/** Runs `use` with another server on the same store: another instance, or this one after a restart. */
export async function withServer(use: (other: TestServer) => Promise<void>, secret?: string) {
  const env: Record<string, string> = secret === undefined ? {} : { SERVER_SECRET: secret }
  const other = await startServer({ testStore, clock, env })
  await use(other)
  await other.close()
}
