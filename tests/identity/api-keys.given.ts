import { afterAll, beforeAll } from 'vitest'
import type { Scope } from '../../generated/api.ts'
import { createClient } from '../support/client.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { JumpingClock, SECOND_MS } from '../support/clock/jumping-clock.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { createServiceAccount, type ServiceAccountClient } from '../support/resources.ts'
import { spyOnStore, type SpyStore } from '../support/database/spy-store.ts'

// A server whose clock can jump, on a store whose calls a test can observe.
export let testStore: TestStore
export let watched: SpyStore
export let clock: JumpingClock
export let server: TestServer

beforeAll(async () => {
  testStore = await openTestStore()
  watched = spyOnStore(testStore.store)
  clock = new JumpingClock('2026-11-23T09:00:00.000Z')
  server = await startServer({ testStore, clock, replacements: { deps: { store: watched.store } } })
})

afterAll(async () => {
  await server.close()
  await testStore.close()
})

/** Creates a service account, and returns a client with its first key. */
export const newServiceAccount = (scopes: Scope[] = ['profile:read']) =>
  createServiceAccount(server, scopes)

export const clientWithKey = (apiKey: string) => createClient(server.url, { apiKey })

export const inSeconds = (seconds: number) =>
  new Date(clock.now().getTime() + seconds * SECOND_MS).toISOString()

/** Creates another key of the service account. */
export async function createKey(robot: ServiceAccountClient, more: { expiresAt?: string } = {}) {
  const admin = await server.admin()
  const path = { serviceAccountId: robot.serviceAccountId }
  return (await admin.expect(201, 'createApiKey', { path, body: { name: 'spare', ...more } })).body
}

export async function listKeys({ serviceAccountId }: ServiceAccountClient) {
  const admin = await server.admin()
  return (await admin.expect(200, 'listApiKeys', { path: { serviceAccountId } })).body.data
}

export const keyPath = ({ serviceAccountId }: ServiceAccountClient, apiKeyId: string) => ({
  serviceAccountId,
  apiKeyId,
})

export async function tryToRotate(
  robot: ServiceAccountClient,
  apiKeyId: string,
  overlapSeconds: number,
) {
  const path = keyPath(robot, apiKeyId)
  return (await server.admin()).call('rotateApiKey', { path, body: { overlapSeconds } })
}

/** As `tryToRotate`. @returns the successor @throws unless the key was rotated */
export async function rotate(
  robot: ServiceAccountClient,
  apiKeyId: string,
  overlapSeconds: number,
) {
  const response = await tryToRotate(robot, apiKeyId, overlapSeconds)
  if (response.status !== 201) throw new Error(JSON.stringify(response.body))
  return response.body
}
