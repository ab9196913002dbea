import { afterAll, beforeAll, beforeEach } from 'vitest'
import { createCountedPasswords } from '../support/counted-passwords.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { send } from '../support/wire/wire.ts'

export const { passwords, takeWork } = createCountedPasswords()

export let testStore: TestStore

export let server: TestServer

beforeAll(async () => {
  testStore = await openTestStore()
  const instead = { deps: { passwords } }
  server = await startServer({ testStore, env: { REGISTRATION: 'open' }, replacements: instead })
})

afterAll(async () => {
  await server.close()
  await testStore.close()
})

beforeEach(() => void takeWork())

export const logIn = (email: string, password: string) =>
  server.anonymous.call('logIn', { body: { email, password } })

export const register = (email: string, password: string) =>
  server.anonymous.call('register', { body: { email, password, displayName: 'Kate' } })

/** Sends the JSON of a body as it is, for text that a client could not make. */
export const post = (operationId: 'logIn' | 'register', json: string) =>
  send(server.anonymous.urlOf(operationId), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: json,
  })
