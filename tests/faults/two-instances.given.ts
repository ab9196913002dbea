import { afterAll, beforeAll } from 'vitest'
import type { Problem } from '../../generated/api.ts'
import type { OperationId } from '../../src/contract/types.ts'
import { type Client, createClient } from '../support/client.ts'
import { TestClock } from '../support/clock/clock.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { createServiceAccount, type ServiceAccountClient } from '../support/resources.ts'
import { until } from '../support/clock/until.ts'
import { spyOnStore, type SpyStore } from '../support/database/spy-store.ts'

/** How often an instance reads what others have changed. */
export const FEED_MS = 2_000

export let testStore: TestStore

export let watchedThere: SpyStore

/** The instance that makes a change. */
export let here: TestServer

/** The instance that must notice it. */
export let there: TestServer

export let admin: Client

beforeAll(async () => {
  testStore = await openTestStore()
  watchedThere = spyOnStore(testStore.store)
  here = await startServer({ testStore })
  const replacements = { deps: { store: watchedThere.store } }
  there = await startServer({
    testStore,
    clock: new TestClock(here.clock.now()),
    replacements,
  })
  admin = await here.admin()
})

afterAll(async () => {
  await Promise.all([here.close(), there.close()])
  await testStore.close()
})

export const advance = async (ms: number) => {
  await Promise.all([here.clock.advance(ms), there.clock.advance(ms)])
}

export const idOf = async (client: Client) => (await client.expect(200, 'getProfile')).body.id

/** The same caller at another instance. */
export function at(server: TestServer, client: Client | ServiceAccountClient): Client {
  if ('secret' in client) return createClient(server.url, { apiKey: client.secret })
  return createClient(server.url, client.identity)
}

async function createSession({ identity }: Client): Promise<Client> {
  const { email, password } = identity
  const { body } = await here.anonymous.expect(200, 'logIn', { body: { email, password } })
  return createClient(here.url, { ...body, email, password })
}

async function createAdmin(): Promise<Client> {
  const client = await here.createUser()
  const path = { userId: await idOf(client) }
  await admin.expect(200, 'changeUser', { path, body: { role: 'admin' } })
  return client
}

/** Returns the code of the problem that a call gets, or its status. */
export async function outcomeOf(client: Client, operationId: OperationId): Promise<unknown> {
  const { status, body } = await client.call(operationId)
  return (body as Partial<Problem>).code ?? status
}

/** Waits for this outcome without advancing the clock: only the database needs time. */
export const untilOutcome = (client: Client, operationId: OperationId, code: unknown) =>
  until(async () => (await outcomeOf(client, operationId)) === code)

export type Case = {
  name: string
  /** Creates a caller who has access until the act. */
  prepare: () => Promise<{ caller: Client | ServiceAccountClient; act: () => Promise<unknown> }>
  code: Problem['code']
  /** An operation that looks up no account: only what the instance knows can refuse the call. */
  operationId?: OperationId
}

const sessionCase = (
  name: string,
  end: (alice: Client, caller: Client) => Promise<unknown>,
): Case => ({
  name,
  code: 'token-invalid',
  async prepare() {
    const alice = await here.createUser()
    const caller = await createSession(alice)
    return { caller, act: () => end(alice, caller) }
  },
})

const userCase = (
  name: string,
  code: Problem['code'],
  act: (path: { userId: string }) => Promise<unknown>,
): Case => ({
  name,
  code,
  async prepare() {
    const caller = await here.createUser()
    const path = { userId: await idOf(caller) }
    return { caller, act: () => act(path) }
  },
})

const serviceAccountCase = (
  name: string,
  code: Problem['code'],
  act: (path: { serviceAccountId: string; apiKeyId: string }) => Promise<unknown>,
): Case => ({
  name,
  code,
  async prepare() {
    const caller = await createServiceAccount(here, ['conversations:read'])
    const { serviceAccountId, apiKeyId } = caller
    return { caller, act: () => act({ serviceAccountId, apiKeyId }) }
  },
})

export const cases: Case[] = [
  sessionCase('a session that was revoked', (alice, { identity: { sessionId } }) =>
    alice.expect(204, 'endSession', { path: { sessionId } }),
  ),
  sessionCase('a session that logged out', (_, caller) =>
    caller.expect(204, 'logOut', { body: { scope: 'current' } }),
  ),
  sessionCase('a session that was logged out from another', (alice) =>
    alice.expect(204, 'logOut', { body: { scope: 'others' } }),
  ),
  sessionCase('a session after all were logged out', (alice) =>
    alice.expect(204, 'logOut', { body: { scope: 'all' } }),
  ),
  sessionCase('a session from before a change of password', (alice) =>
    alice.expect(204, 'changePassword', {
      body: { currentPassword: alice.identity.password, newPassword: 'quite another horse' },
    }),
  ),
  sessionCase('a session of an account that was closed', (alice) =>
    alice.expect(204, 'closeAccount'),
  ),
  userCase('a user who was disabled', 'account-disabled', (path) =>
    admin.expect(200, 'changeUser', { path, body: { disabled: true } }),
  ),
  userCase('a user who was deleted', 'token-invalid', (path) =>
    admin.expect(204, 'deleteUser', { path }),
  ),
  {
    name: 'an administrator who lost the role',
    code: 'insufficient-scope',
    operationId: 'listUsers',
    async prepare() {
      const caller = await createAdmin()
      await advance(FEED_MS)
      await untilOutcome(at(there, caller), 'listUsers', 200)
      const path = { userId: await idOf(caller) }
      return {
        caller,
        act: () => admin.expect(200, 'changeUser', { path, body: { role: 'user' } }),
      }
    },
  },
  serviceAccountCase('a key that was revoked', 'token-invalid', (path) =>
    admin.expect(204, 'revokeApiKey', { path }),
  ),
  serviceAccountCase('a key that was rotated without an overlap', 'token-expired', (path) =>
    admin.expect(201, 'rotateApiKey', { path, body: { overlapSeconds: 0 } }),
  ),
  serviceAccountCase('a key of a service account that was disabled', 'account-disabled', (path) =>
    admin.expect(200, 'changeServiceAccount', { path, body: { disabled: true } }),
  ),
  serviceAccountCase(
    'a key of a service account that lost the scope',
    'insufficient-scope',
    (path) => admin.expect(200, 'changeServiceAccount', { path, body: { scopes: [] } }),
  ),
  serviceAccountCase('a key of a service account that was deleted', 'token-invalid', (path) =>
    admin.expect(204, 'deleteServiceAccount', { path }),
  ),
]
