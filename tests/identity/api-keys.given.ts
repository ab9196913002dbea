import { afterAll, beforeAll } from 'vitest'
import type { Scope } from '../../generated/api.ts'
import { createClient } from '../support/client.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { JumpingClock, SECOND_MS } from '../support/clock/jumping-clock.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { createServiceAccount, type ServiceAccountClient } from '../support/resources.ts'
import { spyOnStore, type SpyStore } from '../support/database/spy-store.ts'

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

export const newRobot = (scopes: Scope[] = ['profile:read']) => createServiceAccount(server, scopes)

export const withKey = (apiKey: string) => createClient(server.url, { apiKey })

export const inSeconds = (seconds: number) =>
  new Date(clock.now().getTime() + seconds * SECOND_MS).toISOString()

export async function newKey(robot: ServiceAccountClient, more: { expiresAt?: string } = {}) {
  const admin = await server.admin()
  const path = { serviceAccountId: robot.serviceAccountId }
  return (await admin.expect(201, 'createApiKey', { path, body: { name: 'spare', ...more } })).body
}

export async function keysOf({ serviceAccountId }: ServiceAccountClient) {
  const admin = await server.admin()
  return (await admin.expect(200, 'listApiKeys', { path: { serviceAccountId } })).body.data
}

export const pathOf = ({ serviceAccountId }: ServiceAccountClient, apiKeyId: string) => ({
  serviceAccountId,
  apiKeyId,
})

export async function rotate(
  robot: ServiceAccountClient,
  apiKeyId: string,
  overlapSeconds: number,
) {
  const path = pathOf(robot, apiKeyId)
  return (await server.admin()).call('rotateApiKey', { path, body: { overlapSeconds } })
}

export async function rotated(
  robot: ServiceAccountClient,
  apiKeyId: string,
  overlapSeconds: number,
) {
  const answer = await rotate(robot, apiKeyId, overlapSeconds)
  if (answer.status !== 201) throw new Error(JSON.stringify(answer.body))
  return answer.body
}
