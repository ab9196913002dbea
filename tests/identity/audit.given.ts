import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll } from 'vitest'
import type { AuditEvent } from '../../generated/api.ts'
import { type Client, createClient, type Identity } from '../support/client.ts'
import { JumpingClock } from '../support/clock/jumping-clock.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { spyOnStore, type SpyStore } from '../support/database/spy-store.ts'
import { createServiceAccount } from '../support/resources.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { apiKey, serviceAccount, user } from './audit-recipes/recipe.ts'

// A server with open registration behind a proxy, on a store whose calls a test can replace.
export let testStore: TestStore
export let watched: SpyStore
export let clock: JumpingClock
export let server: TestServer

beforeAll(async () => {
  testStore = await openTestStore()
  watched = spyOnStore(testStore.store)
  clock = new JumpingClock('2026-11-23T09:00:00.000Z')
  server = await startServer({
    testStore,
    clock,
    env: { REGISTRATION: 'open', TRUST_PROXY: '1' },
    replacements: { deps: { store: watched.store } },
  })
})

afterAll(async () => {
  await server.close()
  await testStore.close()
})

export const idOf = async (client: Client) => (await client.expect(200, 'getProfile')).body.id

/** The body of a registration with an email that no account has. */
export const newAccount = () => ({
  email: `${randomUUID()}@example.com`,
  password: 'a horse nobody guesses',
  displayName: 'Grace',
})

/** Opens another session of the user. */
export async function logIn({
  email,
  password,
}: Pick<Identity, 'email' | 'password'>): Promise<Client> {
  const { body } = await server.anonymous.expect(200, 'logIn', { body: { email, password } })
  return createClient(server.url, { ...body, email, password })
}

/** Creates a user and logs in the administrator; `path` leads to the user, `actor` is the administrator. */
export async function createUserAndAdmin() {
  const [alice, admin] = [await server.createUser(), await server.admin()]
  const [aliceId, adminId] = [await idOf(alice), await idOf(admin)]
  return { alice, admin, aliceId, adminId, actor: user(adminId), path: { userId: aliceId } }
}

/** Creates a service account with a key; `actor` is the administrator. */
export async function createServiceAccountAndKey() {
  const { serviceAccountId, apiKeyId } = await createServiceAccount(server, ['profile:read'])
  const admin = await server.admin()
  return {
    admin,
    actor: user(await idOf(admin)),
    path: { serviceAccountId },
    keyPath: { serviceAccountId, apiKeyId },
    target: serviceAccount(serviceAccountId),
    keyTarget: apiKey(apiKeyId),
  }
}

/** Returns the newest events that fit the query, at most 100. */
export async function readEvents(query: object = {}): Promise<AuditEvent[]> {
  const admin = await server.admin()
  const { body } = await admin.expect(200, 'listAuditEvents', { query: { limit: 100, ...query } })
  return body.data
}
