import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Policy } from '../../src/contract/policy.ts'
import type { Client } from '../support/client.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { exampleBody, fillPath, operations, parametersOf } from '../support/contract/operations.ts'
import { databaseDump } from '../support/database/database-dump.ts'
import { startServer, type TestServer } from '../support/server.ts'
import {
  createAdminResources,
  createServiceAccount,
  createUserResources,
  type Resources,
} from '../support/resources.ts'
import { send } from '../support/wire/wire.ts'

const withIds = operations
  .filter((operation) => parametersOf(operation).length > 0)
  .map((operation) => ({ operationId: operation.operationId, operation }))
const isAdministered = ({ operation }: { operation: Policy }) => operation.tag === 'admin'
const administered = withIds.filter(isAdministered)
const owned = withIds.filter((one) => !isAdministered(one))

let testStore: TestStore
let server: TestServer
let alice: Client
let bob: Client
/** A service account without scopes. */
let serviceAccount: Client
/** Ids of resources of Alice and of an administrator, by the name of the path parameter. */
let resources: Resources
beforeAll(async () => {
  testStore = await openTestStore()
  server = await startServer({ testStore })
  ;[alice, bob] = await Promise.all([server.createUser(), server.createUser()])
  serviceAccount = await createServiceAccount(server, [])
  resources = { ...(await createUserResources(alice)), ...(await createAdminResources(server)) }
})
afterAll(async () => {
  await server.close()
  await testStore.close()
})

const callAs = (
  client: Client,
  operation: Policy,
  idOf: (name: string) => string = (name) => resources[name]!,
  headers = {},
) =>
  send(server.url + fillPath(operation, idOf), {
    method: operation.method,
    headers: { ...client.credentials, 'Content-Type': 'application/json', ...headers },
    ...(operation.hasBody && { body: JSON.stringify(exampleBody(operation)) }),
  })

/** Returns the problem without the ids of the call itself: what another user learns from it. */
function visibleIn(text: string, ids: readonly string[]) {
  const { requestId: _id, ...problem } = JSON.parse(text) as Record<string, unknown>
  return ids.reduce((all, id) => all.replaceAll(id, '…'), JSON.stringify(problem))
}

test('the resources include an id for every path parameter', () => {
  const names = new Set(withIds.flatMap(({ operation }) => parametersOf(operation)))

  expect(Object.keys(resources)).toEqual(expect.arrayContaining([...names]))
  expect(owned.length).toBeGreaterThan(0)
  expect(administered.length).toBeGreaterThan(0)
})

describe.each(withIds)('$operationId', ({ operation }) => {
  test('requires a credential and changes nothing without one', async () => {
    const before = await databaseDump(testStore.database)

    const response = await callAs(server.anonymous, operation)

    expect([response.status, response.problem().code]).toEqual([401, 'unauthenticated'])
    expect(await databaseDump(testStore.database)).toBe(before)
  })

  test('refuses a service account without the scope and changes nothing', async () => {
    const before = await databaseDump(testStore.database)

    const response = await callAs(serviceAccount, operation)

    expect([response.status, response.problem().code]).toEqual([403, 'insufficient-scope'])
    expect(await databaseDump(testStore.database)).toBe(before)
  })
})

describe.each(owned)('$operationId', ({ operation }) => {
  test('treats the resource of another user like one that does not exist', async () => {
    const before = await databaseDump(testStore.database)
    const unknown = randomUUID()

    for (const headers of [
      {},
      { 'If-Match': '"1"' },
      { 'If-Match': '*' },
      { 'If-None-Match': '*' },
    ]) {
      const theirs = await callAs(bob, operation, (name) => resources[name]!, headers)
      const missing = await callAs(bob, operation, () => unknown, headers)
      expect([theirs.status, theirs.problem().code]).toEqual([404, 'not-found'])
      const ids = [unknown, ...Object.values(resources)]
      expect(visibleIn(theirs.text, ids)).toBe(visibleIn(missing.text, ids))
      const names = (one: typeof theirs) => Object.keys(one.headers).sort()
      expect(names(theirs)).toEqual(names(missing))
    }

    expect(await databaseDump(testStore.database)).toBe(before)
  })

  test('does not find the resource of a user for an administrator', async () => {
    const response = await callAs(await server.admin(), operation)

    expect([response.status, response.problem().code]).toEqual([404, 'not-found'])
  })
})

describe.each(administered)('$operationId', ({ operation }) => {
  test('does not tell a user which resources exist', async () => {
    const before = await databaseDump(testStore.database)
    const unknown = randomUUID()

    const theirs = await callAs(bob, operation)
    const missing = await callAs(bob, operation, () => unknown)

    expect([theirs.status, theirs.problem().code]).toEqual([403, 'insufficient-scope'])

    const ids = [unknown, ...Object.values(resources)]
    expect(visibleIn(theirs.text, ids)).toBe(visibleIn(missing.text, ids))
    expect(await databaseDump(testStore.database)).toBe(before)
  })

  test('does not find a resource by an id of another kind', async () => {
    const admin = await server.admin()
    const before = await databaseDump(testStore.database)
    const swapped: Resources = {
      userId: resources['serviceAccountId']!,
      serviceAccountId: resources['userId']!,
      apiKeyId: resources['userId']!,
    }

    const response = await callAs(admin, operation, (name) => swapped[name]!)

    expect([response.status, response.problem().code]).toEqual([404, 'not-found'])
    expect(await databaseDump(testStore.database)).toBe(before)
  })
})

describe('an id in a body', () => {
  test('does not give access to the conversation of another user', async () => {
    const before = await databaseDump(testStore.database)
    const { conversationId } = resources
    const body = { message: 'Let me in', conversationId: conversationId! }
    await bob.refused('not-found', 'sendMessage', { body })

    await bob.refused('not-found', 'streamMessage', { body })

    expect(await databaseDump(testStore.database)).toBe(before)
  })

  test('does not allow feedback on the message of another user', async () => {
    const before = await databaseDump(testStore.database)
    const body = { messageId: resources['messageId']!, rating: 'down' } as const

    await bob.refused('not-found', 'giveFeedback', { body })

    expect(await databaseDump(testStore.database)).toBe(before)
  })
})

test('no list shows resources of another user', async () => {
  const { body: conversations } = await bob.expect(200, 'listConversations')
  const { body: feedback } = await bob.expect(200, 'listFeedback')

  const { body: usage } = await bob.expect(200, 'getUsage', {
    query: { to: new Date(server.clock.now().getTime() + 1).toISOString() },
  })

  expect([conversations.data, feedback.data, usage.buckets]).toEqual([[], [], []])
})
