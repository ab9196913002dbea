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

/** One look of an instance at what others have changed. */
export const LOOK_MS = 2_000

export let testStore: TestStore

export let watchedThere: SpyStore

/** Where it is done. */
export let here: TestServer

/** Where it has to be heard of. */
export let there: TestServer

export let admin: Client

beforeAll(async () => {
  testStore = await openTestStore()
  watchedThere = spyOnStore(testStore.store)
  here = await startServer({ testStore })
  const instead = { deps: { store: watchedThere.store } }
  there = await startServer({
    testStore,
    clock: new TestClock(here.clock.now()),
    replacements: instead,
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

async function anotherSession({ identity }: Client): Promise<Client> {
  const { email, password } = identity
  const { body } = await here.anonymous.expect(200, 'logIn', { body: { email, password } })
  return createClient(here.url, { ...body, email, password })
}

async function newAdmin(): Promise<Client> {
  const client = await here.createUser()
  const path = { userId: await idOf(client) }
  await admin.expect(200, 'changeUser', { path, body: { role: 'admin' } })
  return client
}

/** What a caller hears of an operation: the code of the problem, or the status. */
export async function heard(client: Client, operationId: OperationId): Promise<unknown> {
  const { status, body } = await client.call(operationId)
  return (body as Partial<Problem>).code ?? status
}

/** At the next look, without any more time; what it takes is the database's own. */
export const hears = (client: Client, operationId: OperationId, code: unknown) =>
  until(async () => (await heard(client, operationId)) === code)

export type Case = {
  name: string
  /** Somebody who is let in until the act. */
  prepare: () => Promise<{ victim: Client | ServiceAccountClient; act: () => Promise<unknown> }>
  code: Problem['code']
  /** No account is looked up for it: only what the instance knows can refuse it. */
  asks?: OperationId
}

const ofSession = (
  name: string,
  end: (alice: Client, victim: Client) => Promise<unknown>,
): Case => ({
  name,
  code: 'token-invalid',
  async prepare() {
    const alice = await here.createUser()
    const victim = await anotherSession(alice)
    return { victim, act: () => end(alice, victim) }
  },
})

const ofUser = (
  name: string,
  code: Problem['code'],
  act: (path: { userId: string }) => Promise<unknown>,
): Case => ({
  name,
  code,
  async prepare() {
    const victim = await here.createUser()
    const path = { userId: await idOf(victim) }
    return { victim, act: () => act(path) }
  },
})

const ofRobot = (
  name: string,
  code: Problem['code'],
  act: (path: { serviceAccountId: string; apiKeyId: string }) => Promise<unknown>,
): Case => ({
  name,
  code,
  async prepare() {
    const victim = await createServiceAccount(here, ['conversations:read'])
    const { serviceAccountId, apiKeyId } = victim
    return { victim, act: () => act({ serviceAccountId, apiKeyId }) }
  },
})

export const cases: Case[] = [
  ofSession('a session that was ended', (alice, { identity: { sessionId } }) =>
    alice.expect(204, 'endSession', { path: { sessionId } }),
  ),
  ofSession('a session that logged out', (_, victim) =>
    victim.expect(204, 'logOut', { body: { scope: 'current' } }),
  ),
  ofSession('a session that another logged out', (alice) =>
    alice.expect(204, 'logOut', { body: { scope: 'others' } }),
  ),
  ofSession('one of all sessions that were logged out', (alice) =>
    alice.expect(204, 'logOut', { body: { scope: 'all' } }),
  ),
  ofSession('a session of before the password changed', (alice) =>
    alice.expect(204, 'changePassword', {
      body: { currentPassword: alice.identity.password, newPassword: 'quite another horse' },
    }),
  ),
  ofSession('a session of an account that was closed', (alice) =>
    alice.expect(204, 'closeAccount'),
  ),
  ofUser('a user who was disabled', 'account-disabled', (path) =>
    admin.expect(200, 'changeUser', { path, body: { disabled: true } }),
  ),
  ofUser('a user who was deleted', 'token-invalid', (path) =>
    admin.expect(204, 'deleteUser', { path }),
  ),
  {
    name: 'an administrator who is a user again',
    code: 'insufficient-scope',
    asks: 'listUsers',
    async prepare() {
      const victim = await newAdmin()
      await advance(LOOK_MS)
      await hears(at(there, victim), 'listUsers', 200)
      const path = { userId: await idOf(victim) }
      return {
        victim,
        act: () => admin.expect(200, 'changeUser', { path, body: { role: 'user' } }),
      }
    },
  },
  ofRobot('a key that was revoked', 'token-invalid', (path) =>
    admin.expect(204, 'revokeApiKey', { path }),
  ),
  ofRobot('a key that was rotated without an overlap', 'token-expired', (path) =>
    admin.expect(201, 'rotateApiKey', { path, body: { overlapSeconds: 0 } }),
  ),
  ofRobot('a key of a service account that was disabled', 'account-disabled', (path) =>
    admin.expect(200, 'changeServiceAccount', { path, body: { disabled: true } }),
  ),
  ofRobot('a key of a service account that lost the scope', 'insufficient-scope', (path) =>
    admin.expect(200, 'changeServiceAccount', { path, body: { scopes: [] } }),
  ),
  ofRobot('a key of a service account that was deleted', 'token-invalid', (path) =>
    admin.expect(204, 'deleteServiceAccount', { path }),
  ),
]
