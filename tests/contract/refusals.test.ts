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
 * Refusals that many operations share, tested with every operation that declares them. The coverage
 * check at the end of the suite requires that each declared response was seen.
 */

const operationIds = policies.operations.map(({ operationId }) => operationId as OperationId)

/** Returns the operations with a handler that declare a problem with this status. */
function declaring(status: number): OperationId[] {
  return operationIds.filter((operationId) => {
    const { movedTo, replies } = policyOf(operationId)
    const { responses } = operationOf(operationId)
    return movedTo === undefined && String(status) in responses && !replies.has(status)
  })
}

describe('a request body that does not arrive', () => {
  let server: TestServer
  let admin: Client
  beforeAll(async () => {
    server = await startServer()
    admin = await server.admin()
  })
  afterAll(() => server.close())

  const startUpload = (operationId: OperationId) => {
    const policy = policyOf(operationId)
    const upload = request(server.url + fillPath(policy, () => randomUUID()), {
      method: policy.method.toUpperCase(),
      headers: { ...admin.credentials, 'Content-Type': 'application/json', 'Content-Length': 99 },
    })
    upload.on('error', () => undefined).write('{')
    return { operationId, response: once(upload, 'response') as Promise<[IncomingMessage]> }
  }

  test('is refused with 408 after 30 seconds by every operation that takes one', async () => {
    const before = server.clock.pending
    const uploads = declaring(408).map(startUpload)
    // Each upload has a timer of its own.
    await until(() => server.clock.pending >= before + uploads.length)

    await server.clock.advance(30_000)

    for (const { operationId, response: pending } of uploads) {
      const [response] = await pending
      expect([operationId, response.statusCode]).toEqual([operationId, 408])
      response.resume()
    }
  })
})

describe('when the rate limit is exceeded', () => {
  let server: TestServer
  let admin: Client
  beforeAll(async () => {
    const env = { RATE_LIMIT_USER: '1/3600', RATE_LIMIT_ANONYMOUS: '1/3600' }
    server = await startServer({ env })
    // The login is the one call of the address, reading the profile that of the principal.
    admin = await server.admin()
    await admin.expect(200, 'getProfile')
  })
  afterAll(() => server.close())

  test.each(declaring(429))('%s returns 429 with Retry-After', async (operationId) => {
    // An unlimited operation counts only calls whose credential is refused.
    const isFree = policyOf(operationId).rateLimit.length === 0
    const headers = isFree ? { Authorization: 'Bearer junk' } : {}
    const request = { ...exampleRequest(operationId), headers }

    const response = await admin.refused('quota-exceeded', operationId, request)

    expect(Number(response.headers['retry-after'])).toBeGreaterThan(0)
  })

  test('an old path returns 429', async () => {
    expect((await send(`${server.url}/test`)).status).toBe(429)
  })
})

describe('when the database is unavailable', () => {
  let testStore: TestStore
  let server: TestServer
  let admin: Client
  let serviceAccount: Client
  let database: OutageStore
  beforeAll(async () => {
    testStore = await openTestStore()
    database = createOutageStore(testStore.store)
    const replacements = { deps: { store: database.store } }
    server = await startServer({ testStore, env: { REGISTRATION: 'open' }, replacements })
    admin = await server.admin()
    serviceAccount = await createServiceAccount(server, ['chat:write'])
    database.isUnavailable = true
  })
  afterAll(async () => {
    database.isUnavailable = false
    await server.close()
    await testStore.close()
  })

  test.each(declaring(503))('%s returns 503 with Retry-After', async (operationId) => {
    // A token is verified without the database; a key that was not used recently needs it.
    const caller = policyOf(operationId).auth === 'optional' ? serviceAccount : admin
    const { refreshToken } = admin.identity
    const body = operationId === 'refreshTokens' ? { body: { refreshToken } } : {}
    const request = { ...exampleRequest(operationId), ...body }

    const response = await caller.refused('unavailable', operationId, request as never)

    expect(Number(response.headers['retry-after'])).toBeGreaterThan(0)
    expect(JSON.stringify(response.body)).not.toContain('db-7')
  })
})

describe('GET /rate-limits', () => {
  test('refuses an invalid credential and a disabled account', async () => {
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

describe('an unexpected failure', () => {
  test('returns 500 internal for an old path', async () => {
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

    const response = await send(`${server.url}/test`)

    expect(response.problem()).toMatchObject({ status: 500, code: 'internal' })

    await server.close()
  })
})

describe('when a call with the same idempotency key is in progress', () => {
  test.each([
    ['createConversation', 'conversations.create'],
    ['giveFeedback', 'feedback.give'],
  ] as const)('%s returns 409 with Retry-After', async (operationId, write) => {
    const testStore = await openTestStore()
    const watched = spyOnStore(testStore.store)
    const server = await startServer({
      testStore,
      replacements: { deps: { store: watched.store } },
    })
    const alice = await server.createUser()
    const { body } = await alice.expect(200, 'sendMessage', { body: { message: 'Hi' } })
    const feedback = { messageId: body.message.id, rating: 'up' }
    const request = {
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
    const first = alice.call(operationId, request)
    await reached.promise
    const { headers } = await alice.refused('idempotency-in-progress', operationId, request)
    expect(Number(headers['retry-after'])).toBeGreaterThan(0)

    released.resolve(undefined)
    expect((await first).status).toBeLessThan(300)

    await server.close()
    await testStore.close()
  })
})

describe('the version of a service account', () => {
  test('leads to 304 when it is current and to 412 when it is outdated', async () => {
    const server = await startServer()
    const { serviceAccountId } = await createServiceAccount(server, ['chat:write'])
    const admin = await server.admin()
    const path = { serviceAccountId }
    const { headers } = await admin.expect(200, 'getServiceAccount', { path })
    const version = headers['etag']!
    const ifNoneMatch = { 'If-None-Match': version }

    await admin.expect(304, 'getServiceAccount', { path, headers: ifNoneMatch })
    await admin.expect(200, 'changeServiceAccount', {
      path,
      body: { name: 'Other' },
      headers: { 'If-Match': version },
    })

    const outdated = { path, headers: { 'If-Match': version } }
    await admin.refused('precondition-failed', 'changeServiceAccount', {
      ...outdated,
      body: { name: 'Third' },
    })
    await admin.refused('precondition-failed', 'deleteServiceAccount', outdated)

    await server.close()
  })
})
