import { randomUUID } from 'node:crypto'
import { parseList } from 'structured-headers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Policy } from '../../src/contract/policy.ts'
import type { Operations } from '../../src/operations/operation.ts'
import { Problem } from '../../src/domain/problem.ts'
import { createManualEngine, openManualStream } from '../support/upstream/manual-engine.ts'
import { policies } from '../support/contract/contract.ts'
import { exampleBody, fillPath, operations } from '../support/contract/operations.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { send, type WireResponse } from '../support/wire/wire.ts'

/** Returns the policies in the headers of a response; both headers must have the same. */
function shownPolicies({ headers }: WireResponse): string[] {
  const [policy, state] = ['ratelimit-policy', 'ratelimit'].map((name) =>
    parseList(headers[name] ?? '').map(([value]) => String(value)),
  )
  expect(state).toEqual(policy)
  return policy!
}

/** Returns the policies of an operation that count calls; those that count failures are not shown. */
const callPolicies = ({ rateLimit }: Policy) =>
  rateLimit.filter((name) => policies.limits[name]!.counts === 'calls')

const createUserCredentials = async (server: TestServer) => (await server.createUser()).credentials
const createAdminCredentials = async (server: TestServer) => (await server.admin()).credentials

describe('every operation', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startServer()
  })
  afterAll(() => server.close())

  const call = (operation: Policy, headers: Record<string, string>, query = '') =>
    send(server.url + fillPath(operation, () => randomUUID()) + query, {
      method: operation.method,
      headers: { ...headers, ...(operation.hasBody && { 'Content-Type': 'application/json' }) },
      ...(operation.hasBody && { body: JSON.stringify(exampleBody(operation)) }),
    })

  test.each(operations.map((operation) => ({ operationId: operation.operationId, operation })))(
    '$operationId shows in every response the limits that it counted, and no other',
    async ({ operation }) => {
      const { credentials } = await server.createUser()
      const own = callPolicies(operation)

      const refused = await call(operation, credentials, '?unknown=1')

      expect([refused.status, shownPolicies(refused)]).toEqual([
        // A missing permission is reported before a mistake in the call.
        operation.tag === 'admin' ? 403 : 400,
        own,
      ])
      expect(shownPolicies(await call(operation, credentials))).toEqual(own)

      if (operation.auth === 'public' || operation.auth === 'optional') return
      const without = await call(operation, {})
      expect([without.status, shownPolicies(without)]).toEqual([401, ['anonymous']])

      const junk = await call(operation, { Authorization: 'Bearer junk' })
      expect([junk.status, shownPolicies(junk)]).toEqual([401, ['anonymous']])
    },
  )
})

describe('a refusal by a limit that the operation itself counts', () => {
  const counting = operations.filter((operation) => callPolicies(operation).length > 0)
  let server: TestServer
  let isRefusing = false
  beforeAll(async () => {
    const refusing = (real: Operations) => {
      const all = Object.entries(real).map(([name, operation]) => [
        name,
        async (...given: unknown[]) => {
          if (isRefusing) throw new Problem('too-many-streams', { retryAfterSeconds: 5 })
          return (operation as (...all: unknown[]) => unknown)(...given)
        },
      ])
      return Object.fromEntries(all) as Operations
    }
    // Most operations document no such code: the server logs a violation and sends it all the same.
    server = await startServer({ replacements: { operations: refusing }, allowsViolations: true })
  })
  afterAll(() => server.close())

  test.each(counting.map((operation) => ({ operationId: operation.operationId, operation })))(
    'costs none of the limits of $operationId, as its headers show',
    async ({ operation }) => {
      isRefusing = false
      const isPublic = operation.auth === 'public' || operation.auth === 'optional'
      const newCaller = operation.tag === 'admin' ? createAdminCredentials : createUserCredentials
      const credentials = isPublic ? {} : await newCaller(server)
      isRefusing = true

      const answer = await send(server.url + fillPath(operation, () => randomUUID()), {
        method: operation.method,
        headers: {
          ...credentials,
          ...(operation.hasBody && { 'Content-Type': 'application/json' }),
        },
        ...(operation.hasBody && { body: JSON.stringify(exampleBody(operation)) }),
      })

      expect([answer.status, shownPolicies(answer)]).toEqual([429, callPolicies(operation)])

      for (const [, state] of parseList(answer.headers['ratelimit']!)) {
        // All callers of this test share an address, and logging in has counted on it.
        if (!isPublic) expect(state.get('r')).toBe(1_000_000)
      }
    },
  )
})

describe('a call that is refused because too many streams are open', () => {
  test.each(['1', '5'])('costs neither the chat nor the user limit (%s open)', async (most) => {
    const engine = createManualEngine()
    const env = { MAX_OPEN_STREAMS: most, RATE_LIMIT_CHAT: '9/60', RATE_LIMIT_USER: '50/60' }
    const server = await startServer({ env, replacements: { deps: { engine } } })
    const alice = await server.createUser()
    const open = []
    for (let i = 0; i < Number(most); i += 1) open.push(await openManualStream(engine, alice))

    const remaining = `"user";r=${50 - open.length};t=60, "chat";r=${9 - open.length};t=60`
    for (let tries = 0; tries < 12; tries += 1) {
      const body = { message: 'Hi' }
      const { headers } = await alice.refused('too-many-streams', 'streamMessage', { body })
      expect(headers['ratelimit']).toBe(remaining)
    }

    for (const { turn, stream } of open) {
      turn.end()
      await stream.rest()
    }
    await server.close()
  })
})

describe('a call with an Idempotency-Key above its rate limit', () => {
  const idempotent = operations.filter((operation) => operation.idempotent)
  const named = idempotent.map((operation) => ({ operationId: operation.operationId, operation }))
  type Mistake = { body?: string; headers?: Record<string, string | string[]>; query?: string }
  const mistakes: Record<string, Mistake> = {
    'its body': { body: '{"nonsense":1}' },
    'its JSON': { body: '{' },
    'its media type': { headers: { 'Content-Type': 'text/plain' } },
    'what it accepts': { headers: { Accept: 'text/html' } },
    'its query': { query: '?unknown=1' },
    'its key': { headers: { 'Idempotency-Key': '""' } },
    'the number of its keys': { headers: { 'Idempotency-Key': ['one', 'two'] } },
    'the body of its key': {
      headers: { 'Idempotency-Key': 'used' },
      body: '{"message":"Something else"}',
    },
    nothing: {},
  }

  test.each(named)(
    'is 429 for $operationId even if something else is wrong with it',
    async ({ operation }) => {
      const server = await startServer({ env: { RATE_LIMIT_USER: '1/60' } })
      const { credentials } = await server.createUser()
      const call = ({ body, headers, query = '' }: Mistake) =>
        send(server.url + fillPath(operation, () => randomUUID()) + query, {
          method: operation.method,
          headers: {
            ...credentials,
            'Content-Type': 'application/json',
            'Idempotency-Key': randomUUID(),
            ...headers,
          },
          body: body ?? JSON.stringify(exampleBody(operation)),
        })
      await call({ headers: { 'Idempotency-Key': 'used' } })

      for (const [what, mistake] of Object.entries(mistakes)) {
        const answer = await call(mistake)
        expect([what, answer.status, answer.problem().code]).toEqual([what, 429, 'quota-exceeded'])
        expect(answer.headers['ratelimit']).toContain('"user";r=0')
      }

      await server.close()
    },
  )
})
