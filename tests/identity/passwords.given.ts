import { afterAll, beforeAll, beforeEach } from 'vitest'
import { createCountedPasswords } from '../support/counted-passwords.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { send } from '../support/wire/wire.ts'

export const { passwords, takeWork } = createCountedPasswords()

// A server with open registration, whose hashing a test can count.
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

/** Sends this text as the JSON body, even if no JSON library would write it. */
export const post = (operationId: 'logIn' | 'register', json: string) =>
  send(server.anonymous.urlOf(operationId), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: json,
  })
