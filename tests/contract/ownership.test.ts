import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Policy } from '../../src/contract/policy.ts'
import type { Client } from '../support/client.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import {
  databaseDump,
  exampleBody,
  fillPath,
  operations,
  parametersOf,
} from '../support/contract/operations.ts'
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
/** A service account that may do nothing at all. */
let robot: Client
/** What is Alice's or an administrator's, by the name of the parameter that means it. */
let resources: Resources
beforeAll(async () => {
  testStore = await openTestStore()
  server = await startServer({ testStore })
  ;[alice, bob] = await Promise.all([server.createUser(), server.createUser()])
  robot = await createServiceAccount(server, [])
  resources = { ...(await createUserResources(alice)), ...(await createAdminResources(server)) }
})
afterAll(async () => {
  await server.close()
  await testStore.close()
})

const tryAs = (
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

/** Everything of the problem that a stranger could learn from, but for ids of the call itself. */
function shown(text: string, ids: readonly string[]) {
  const { requestId: _id, ...problem } = JSON.parse(text) as Record<string, unknown>
  return ids.reduce((all, id) => all.replaceAll(id, '…'), JSON.stringify(problem))
}

test('every id of a path is known here, so that no operation is left out', () => {
  const names = new Set(withIds.flatMap(({ operation }) => parametersOf(operation)))

  expect(Object.keys(resources)).toEqual(expect.arrayContaining([...names]))
  expect(owned.length).toBeGreaterThan(0)
  expect(administered.length).toBeGreaterThan(0)
})

describe.each(withIds)('$operationId', ({ operation }) => {
  test('is refused to whoever shows no credential, and nothing changes', async () => {
    const before = await databaseDump(testStore.database)

    const answer = await tryAs(server.anonymous, operation)

    expect([answer.status, answer.problem().code]).toEqual([401, 'unauthenticated'])
    expect(await databaseDump(testStore.database)).toBe(before)
  })

  test('is refused to a service account without the scope, and nothing changes', async () => {
    const before = await databaseDump(testStore.database)

    const answer = await tryAs(robot, operation)

    expect([answer.status, answer.problem().code]).toEqual([403, 'insufficient-scope'])
    expect(await databaseDump(testStore.database)).toBe(before)
  })
})

describe.each(owned)('$operationId', ({ operation }) => {
  test('is refused to another user as if there were no such thing, and nothing changes', async () => {
    const before = await databaseDump(testStore.database)
    const unknown = randomUUID()

    for (const headers of [
      {},
      { 'If-Match': '"1"' },
      { 'If-Match': '*' },
      { 'If-None-Match': '*' },
    ]) {
      const theirs = await tryAs(bob, operation, (name) => resources[name]!, headers)
      const nobodys = await tryAs(bob, operation, () => unknown, headers)
      expect([theirs.status, theirs.problem().code]).toEqual([404, 'not-found'])
      const ids = [unknown, ...Object.values(resources)]
      expect(shown(theirs.text, ids)).toBe(shown(nobodys.text, ids))
      const names = (one: typeof theirs) => Object.keys(one.headers).sort()
      expect(names(theirs)).toEqual(names(nobodys))
    }

    expect(await databaseDump(testStore.database)).toBe(before)
  })

  test('is refused even to an admin, who has resources of its own', async () => {
    const answer = await tryAs(await server.admin(), operation)

    expect([answer.status, answer.problem().code]).toEqual([404, 'not-found'])
  })
})

describe.each(administered)('$operationId', ({ operation }) => {
  test('tells a user nothing of what there is, and changes nothing', async () => {
    const before = await databaseDump(testStore.database)
    const unknown = randomUUID()
    const theirs = await tryAs(bob, operation)
    const nobodys = await tryAs(bob, operation, () => unknown)
    expect([theirs.status, theirs.problem().code]).toEqual([403, 'insufficient-scope'])

    const ids = [unknown, ...Object.values(resources)]
    expect(shown(theirs.text, ids)).toBe(shown(nobodys.text, ids))
    expect(await databaseDump(testStore.database)).toBe(before)
  })

  test('finds a thing only as what it is: a user is no service account, and no key', async () => {
    const admin = await server.admin()
    const before = await databaseDump(testStore.database)
    const swapped: Resources = {
      userId: resources['serviceAccountId']!,
      serviceAccountId: resources['userId']!,
      apiKeyId: resources['userId']!,
    }

    const answer = await tryAs(admin, operation, (name) => swapped[name]!)

    expect([answer.status, answer.problem().code]).toEqual([404, 'not-found'])
    expect(await databaseDump(testStore.database)).toBe(before)
  })
})

describe('an id in a body', () => {
  test('of another user’s conversation cannot be chatted in', async () => {
    const before = await databaseDump(testStore.database)
    const { conversationId } = resources
    const body = { message: 'Let me in', conversationId: conversationId! }
    await bob.refused('not-found', 'sendMessage', { body })

    await bob.refused('not-found', 'streamMessage', { body })

    expect(await databaseDump(testStore.database)).toBe(before)
  })

  test('of another user’s message gets no feedback', async () => {
    const before = await databaseDump(testStore.database)
    const body = { messageId: resources['messageId']!, rating: 'down' } as const

    await bob.refused('not-found', 'giveFeedback', { body })

    expect(await databaseDump(testStore.database)).toBe(before)
  })
})

test('nothing of one user shows in any list of another', async () => {
  const { body: conversations } = await bob.expect(200, 'listConversations')
  const { body: feedback } = await bob.expect(200, 'listFeedback')

  const { body: usage } = await bob.expect(200, 'getUsage', {
    query: { to: new Date(server.clock.now().getTime() + 1).toISOString() },
  })

  expect([conversations.data, feedback.data, usage.buckets]).toEqual([[], [], []])
})
