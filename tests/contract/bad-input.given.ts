/* Sets up a server, on which refused requests must leave no trace, and calls of its operations. */

import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect } from 'vitest'
import type { Policy } from '../../src/contract/policy.ts'
import type { Client } from '../support/client.ts'
import { fillPath } from '../support/contract/operations.ts'
import { databaseDump } from '../support/database/database-dump.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { send, type WireRequest } from '../support/wire/wire.ts'

export const JSON_TYPE = { 'Content-Type': 'application/json' }

let testStore: TestStore

export let server: TestServer

export let alice: Client

let dumpBefore: string

beforeAll(async () => {
  testStore = await openTestStore()
  server = await startServer({ testStore })
  // An administrator, so that no request is refused for a missing scope.
  alice = await server.admin()
  await alice.expect(200, 'sendMessage', { body: { message: 'Hello!' } })
  dumpBefore = await databaseDump(testStore.database)
})

afterAll(async () => {
  // Holds for every test of the file: a refused request has changed nothing.
  expect(await databaseDump(testStore.database)).toBe(dumpBefore)
  await server.close()
  await testStore.close()
})

/** Returns a URL of the operation with random ids. */
export const urlOf = (operation: Policy, query = '') =>
  server.url + fillPath(operation, () => randomUUID()) + query

/** Sends a request to the operation with Alice's credentials. */
export function sendAsAlice(operation: Policy, request: WireRequest, query?: string) {
  const headers = { ...alice.credentials, ...request.headers }
  return send(urlOf(operation, query), { ...request, method: operation.method, headers })
}

/** Returns the rows of a table whose title is the operationId. */
export const named = (list: readonly Policy[]) =>
  list.map((operation) => ({ operationId: operation.operationId, operation }))

/** An example of a body. */
export type Example = Record<string, unknown>

export const text = (example: Example) => JSON.stringify(example)

export const asJson = (body: string | Buffer): WireRequest => ({ headers: JSON_TYPE, body })
