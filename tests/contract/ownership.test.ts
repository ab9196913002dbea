import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../support/client.ts'
import { openTestStore, type TestStore } from '../support/database.ts'
import { everythingIn, exampleBody, fill, operations, parametersOf } from '../support/operations.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { send } from '../support/wire.ts'

const withIds = operations
  .filter((operation) => parametersOf(operation).length > 0)
  .map((operation) => ({ operationId: operation.operationId, operation }))

let testStore: TestStore
let server: TestServer
let alice: Client
let bob: Client
/** What is Alice's, by the name of the parameter that means it. */
let owned: Record<string, string>
beforeAll(async () => {
  testStore = await openTestStore()
  server = await startServer({ testStore })
  ;[alice, bob] = await Promise.all([server.newUser(), server.newUser()])
  const { body } = await alice.expect(200, 'sendMessage', { body: { message: 'A secret.' } })
  const given = await alice.expect(200, 'giveFeedback', {
    body: { messageId: body.message.id, rating: 'up' },
  })
  owned = {
    conversationId: body.conversationId,
    messageId: body.message.id,
    feedbackId: given.body.id,
    generationId: body.generationId,
    sessionId: alice.identity.sessionId,
  }
})
afterAll(async () => {
  await server.close()
  await testStore.close()
})

/** Everything of the problem that a stranger could learn from, but for ids of the call itself. */
function shown(text: string, ids: readonly string[]) {
  const { requestId: _id, ...problem } = JSON.parse(text) as Record<string, unknown>
  return ids.reduce((all, id) => all.replaceAll(id, '…'), JSON.stringify(problem))
}

test('every id of a path is known here, so that no operation is left out', () => {
  const names = new Set(withIds.flatMap(({ operation }) => parametersOf(operation)))
  expect(Object.keys(owned)).toEqual(expect.arrayContaining([...names]))
  expect(withIds.length).toBeGreaterThan(0)
})

describe.each(withIds)('$operationId', ({ operation }) => {
  const tryAs = (client: Client, idOf: (name: string) => string, headers = {}) =>
    send(server.url + fill(operation, idOf), {
      method: operation.method,
      headers: { ...client.credentials, 'Content-Type': 'application/json', ...headers },
      ...(operation.hasBody && { body: JSON.stringify(exampleBody(operation)) }),
    })

  test('is refused to another user as if there were no such thing, and nothing changes', async () => {
    const before = await everythingIn(testStore.database)
    const unknown = randomUUID()
    for (const headers of [
      {},
      { 'If-Match': '"1"' },
      { 'If-Match': '*' },
      { 'If-None-Match': '*' },
    ]) {
      const theirs = await tryAs(bob, (name) => owned[name]!, headers)
      const nobodys = await tryAs(bob, () => unknown, headers)
      expect([theirs.status, theirs.problem().code]).toEqual([404, 'not-found'])
      const ids = [unknown, ...Object.values(owned)]
      expect(shown(theirs.text, ids)).toBe(shown(nobodys.text, ids))
      const names = (one: typeof theirs) => Object.keys(one.headers).sort()
      expect(names(theirs)).toEqual(names(nobodys))
    }
    expect(await everythingIn(testStore.database)).toBe(before)
  })

  test('is refused even to an admin, who has things of its own', async () => {
    const admin = await server.admin()
    const answer = await tryAs(admin, (name) => owned[name]!)
    expect([answer.status, answer.problem().code]).toEqual([404, 'not-found'])
  })
})

describe('an id in a body', () => {
  test('of another user’s conversation cannot be chatted in', async () => {
    const before = await everythingIn(testStore.database)
    const { conversationId } = owned
    const body = { message: 'Let me in', conversationId: conversationId! }
    await bob.refused('not-found', 'sendMessage', { body })
    await bob.refused('not-found', 'streamMessage', { body })
    expect(await everythingIn(testStore.database)).toBe(before)
  })

  test('of another user’s message gets no feedback', async () => {
    const before = await everythingIn(testStore.database)
    const body = { messageId: owned['messageId']!, rating: 'down' } as const
    await bob.refused('not-found', 'giveFeedback', { body })
    expect(await everythingIn(testStore.database)).toBe(before)
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
