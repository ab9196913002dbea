import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { OperationId } from '../../src/contract/types.ts'
import { createDeferred } from '../../src/lib/deferred.ts'
import type { Client } from '../support/client.ts'
import { exampleRequest, operationOf, policies, policyOf } from '../support/contract/contract.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { createOutageStore, type OutageStore } from '../support/database/outage-store.ts'
import { fillPath } from '../support/contract/operations.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { createServiceAccount } from '../support/resources.ts'
import { until } from '../support/clock/until.ts'
import { spyOnStore } from '../support/database/spy-store.ts'
import { send } from '../support/wire/wire.ts'

/*
 * The ways to be refused that many operations share, each of them at every operation that declares
 * it; the count of the answers at the end of the suite wants to have seen them all.
 */

const operationIds = policies.operations.map(({ operationId }) => operationId as OperationId)

/** Those that have a handler and declare this status for a problem. */
function declaring(status: number): OperationId[] {
  return operationIds.filter((operationId) => {
    const { movedTo, replies } = policyOf(operationId)
    const { responses } = operationOf(operationId)
    return movedTo === undefined && String(status) in responses && !replies.has(status)
  })
}

describe('a body that does not arrive', () => {
  let server: TestServer
  let admin: Client
  beforeAll(async () => {
    server = await startServer()
    admin = await server.admin()
  })
  afterAll(() => server.close())

  const announce = (operationId: OperationId) => {
    const policy = policyOf(operationId)
    const upload = request(server.url + fillPath(policy, () => randomUUID()), {
      method: policy.method.toUpperCase(),
      headers: { ...admin.credentials, 'Content-Type': 'application/json', 'Content-Length': 99 },
    })
    upload.on('error', () => undefined).write('{')
    return { operationId, answered: once(upload, 'response') as Promise<[IncomingMessage]> }
  }

  test('is waited for 30 seconds by every operation that takes one', async () => {
    const before = server.clock.pending
    const uploads = declaring(408).map(announce)
    // Each waits for its body with a timer of its own.
    await until(() => server.clock.pending >= before + uploads.length)
    await server.clock.advance(30_000)
    for (const { operationId, answered } of uploads) {
      const [answer] = await answered
      expect([operationId, answer.statusCode]).toEqual([operationId, 408])
      answer.resume()
    }
  })
})

describe('a quota that is spent', () => {
  let server: TestServer
  let admin: Client
  beforeAll(async () => {
    const env = { RATE_LIMIT_USER: '1/3600', RATE_LIMIT_ANONYMOUS: '1/3600' }
    server = await startServer({ env })
    // The login takes the address's one call, the profile the principal's.
    admin = await server.admin()
    await admin.expect(200, 'getProfile')
  })
  afterAll(() => server.close())

  test.each(declaring(429))('refuses %s, and says when it is open again', async (operationId) => {
    // What is free counts only those whose credential is refused.
    const isFree = policyOf(operationId).rateLimit.length === 0
    const headers = isFree ? { Authorization: 'Bearer junk' } : {}
    const asked = { ...exampleRequest(operationId), headers }

    const answer = await admin.refused('quota-exceeded', operationId, asked)

    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
  })

  test('refuses an old place, too', async () => {
    expect((await send(`${server.url}/test`)).status).toBe(429)
  })
})

describe('without the database', () => {
  let testStore: TestStore
  let server: TestServer
  let admin: Client
  let robot: Client
  let database: OutageStore
  beforeAll(async () => {
    testStore = await openTestStore()
    database = createOutageStore(testStore.store)
    const instead = { deps: { store: database.store } }
    server = await startServer({ testStore, env: { REGISTRATION: 'open' }, replacements: instead })
    admin = await server.admin()
    robot = await createServiceAccount(server, ['chat:write'])
    database.isUnavailable = true
  })
  afterAll(async () => {
    database.isUnavailable = false
    await server.close()
    await testStore.close()
  })

  test.each(declaring(503))('%s says so, and when to try again', async (operationId) => {
    // Who holds a token is known without the database; a key that was not seen lately is not.
    const caller = policyOf(operationId).auth === 'optional' ? robot : admin
    const { refreshToken } = admin.identity
    const body = operationId === 'refreshTokens' ? { body: { refreshToken } } : {}
    const asked = { ...exampleRequest(operationId), ...body }

    const answer = await caller.refused('unavailable', operationId, asked as never)

    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
    expect(JSON.stringify(answer.body)).not.toContain('db-7')
  })
})

describe('reading the limits', () => {
  test('with a credential that is refused is refused like any call', async () => {
    const server = await startServer()
    const junk = { headers: { Authorization: 'Bearer junk' } }
    await server.anonymous.refused('token-invalid', 'getRateLimits', junk)
    const [admin, alice] = await Promise.all([server.admin(), server.createUser()])
    const { body: profile } = await alice.expect(200, 'getProfile')
    const path = { userId: profile.id }
    await admin.expect(200, 'changeUser', { path, body: { disabled: true } })
    await alice.refused('account-disabled', 'getRateLimits')
    await server.close()
  })
})

describe('a mistake of ours', () => {
  test('at an old place is a problem, too', async () => {
    const fail = () => Promise.reject(new Error('the limiter is wrong'))
    const limiter = {
      take: fail,
      giveBack: fail,
      clear: fail,
      peek: fail,
      check: fail,
      prune: fail,
    }
    const close = () => Promise.resolve()
    const server = await startServer({ replacements: { deps: { limiter: { ...limiter, close } } } })
    const answer = await send(`${server.url}/test`)
    expect(answer.problem()).toMatchObject({ status: 500, code: 'internal' })

    await server.close()
  })
})

describe('the first call of two with one key', () => {
  test.each([
    ['createConversation', 'conversations.create'],
    ['giveFeedback', 'feedback.give'],
  ] as const)('is still running at %s: the second is told to wait', async (operationId, write) => {
    const testStore = await openTestStore()
    const watched = spyOnStore(testStore.store)
    const server = await startServer({
      testStore,
      replacements: { deps: { store: watched.store } },
    })
    const alice = await server.createUser()
    const { body } = await alice.expect(200, 'sendMessage', { body: { message: 'Hi' } })
    const feedback = { messageId: body.message.id, rating: 'up' }
    const asked = {
      body: operationId === 'giveFeedback' ? feedback : {},
      headers: { 'Idempotency-Key': randomUUID() },
    } as never
    const reached = createDeferred<undefined>()
    const released = createDeferred<undefined>()
    watched.instead(write, async (real) => {
      reached.resolve(undefined)
      await released.promise
      return real()
    })
    const first = alice.call(operationId, asked)
    await reached.promise
    const { headers } = await alice.refused('idempotency-in-progress', operationId, asked)
    expect(Number(headers['retry-after'])).toBeGreaterThan(0)

    released.resolve(undefined)
    expect((await first).status).toBeLessThan(300)

    await server.close()
    await testStore.close()
  })
})

describe('the version of a service account', () => {
  test('answers 304 to who has it, and 412 to who has an older one', async () => {
    const server = await startServer()
    const { serviceAccountId } = await createServiceAccount(server, ['chat:write'])
    const admin = await server.admin()
    const path = { serviceAccountId }
    const { headers } = await admin.expect(200, 'getServiceAccount', { path })
    const version = headers['etag']!
    const isSame = { 'If-None-Match': version }
    await admin.expect(304, 'getServiceAccount', { path, headers: isSame })
    await admin.expect(200, 'changeServiceAccount', {
      path,
      body: { name: 'Other' },
      headers: { 'If-Match': version },
    })
    const late = { path, headers: { 'If-Match': version } }
    await admin.refused('precondition-failed', 'changeServiceAccount', {
      ...late,
      body: { name: 'Third' },
    })
    await admin.refused('precondition-failed', 'deleteServiceAccount', late)
    await server.close()
  })
})
