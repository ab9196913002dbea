import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll } from 'vitest'
import type { Scope } from '../../generated/api.ts'
import { type Client, createClient } from '../support/client.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { JumpingClock } from '../support/clock/jumping-clock.ts'
import { startServer, type TestServer } from '../support/server.ts'

export const USER_SCOPES: Scope[] = [
  'chat:write',
  'conversations:read',
  'conversations:write',
  'feedback:read',
  'feedback:write',
  'profile:read',
  'profile:write',
  'usage:read',
]

export let testStore: TestStore

export let clock: JumpingClock

export let server: TestServer

export let admin: Client

beforeAll(async () => {
  testStore = await openTestStore()
  clock = new JumpingClock('2026-11-23T09:00:00.000Z')
  server = await startServer({ testStore, clock })
  admin = await server.admin()
})

afterAll(async () => {
  await server.close()
  await testStore.close()
})

export type Role = 'user' | 'admin'

export const newcomer = (role: Role = 'user', displayName = 'Grace') => ({
  email: `${randomUUID()}@example.com`,
  password: 'a horse nobody guesses',
  displayName,
  role,
})

export async function logIn(
  at: TestServer,
  who: { email: string; password: string },
): Promise<Client> {
  const { email, password } = who
  const { body } = await at.anonymous.expect(200, 'logIn', { body: { email, password } })
  return createClient(at.url, { ...body, email, password })
}

/** Somebody whom an administrator has made, logged in. */
export async function made(at: TestServer, by: Client, role: Role = 'user') {
  const body = newcomer(role)
  const { body: user } = await by.expect(201, 'createUser', { body })
  return { client: await logIn(at, body), path: { userId: user.id }, ...body }
}

export const idOf = async (client: Client) => (await client.expect(200, 'getProfile')).body.id

export function setAdmin(value: Client): void {
  admin = value
}
