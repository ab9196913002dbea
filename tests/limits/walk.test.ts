import { randomUUID } from 'node:crypto'
import { parseList } from 'structured-headers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Policy } from '../../src/contract/policy.ts'
import type { Operations } from '../../src/operations/operation.ts'
import { Problem } from '../../src/domain/problem.ts'
import { openTestStore } from '../support/database/database.ts'
import { createManualEngine, openManualStream } from '../support/upstream/manual-engine.ts'
import { LIMIT_STORES } from '../support/database/limit-stores.ts'
import { policies } from '../support/contract/contract.ts'
import { basePath, exampleBody, fillPath, operations } from '../support/contract/operations.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { send, type WireResponse } from '../support/wire/wire.ts'

/** The policies that an answer shows; the same in both headers. */
function shown({ headers }: WireResponse): string[] {
  const [policy, state] = ['ratelimit-policy', 'ratelimit'].map((name) =>
    parseList(headers[name] ?? '').map(([value]) => String(value)),
  )
  expect(state).toEqual(policy)
  return policy!
}

/** Those of an operation that count calls; what counts failures shows nothing. */
const countingCalls = ({ rateLimit }: Policy) =>
  rateLimit.filter((name) => policies.limits[name]!.counts === 'calls')

const newUserOf = async (server: TestServer) => (await server.createUser()).credentials
const adminOf = async (server: TestServer) => (await server.admin()).credentials

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
    '$operationId shows what it counted on whatever it answers, and nothing else',
    async ({ operation }) => {
      const { credentials } = await server.createUser()
      const own = countingCalls(operation)
      const refused = await call(operation, credentials, '?unknown=1')
      expect([refused.status, shown(refused)]).toEqual([
        // What a user may not do at all is said before what is wrong with the call.
        operation.tag === 'admin' ? 403 : 400,
        own,
      ])
      expect(shown(await call(operation, credentials))).toEqual(own)

      if (operation.auth === 'public' || operation.auth === 'optional') return
      const without = await call(operation, {})
      expect([without.status, shown(without)]).toEqual([401, ['anonymous']])

      const junk = await call(operation, { Authorization: 'Bearer junk' })
      expect([junk.status, shown(junk)]).toEqual([401, ['anonymous']])
    },
  )
})

describe('a refusal by a limit that only an operation can count', () => {
  const counting = operations.filter((operation) => countingCalls(operation).length > 0)
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
    // Most operations document no such code: the server notes it, and answers it all the same.
    server = await startServer({ replacements: { operations: refusing }, allowsViolations: true })
  })
  afterAll(() => server.close())

  test.each(counting.map((operation) => ({ operationId: operation.operationId, operation })))(
    'costs nothing of those of $operationId, and its headers say so',
    async ({ operation }) => {
      isRefusing = false
      const isPublic = operation.auth === 'public' || operation.auth === 'optional'
      const newCaller = operation.tag === 'admin' ? adminOf : newUserOf
      const who = isPublic ? {} : await newCaller(server)
      isRefusing = true
      const answer = await send(server.url + fillPath(operation, () => randomUUID()), {
        method: operation.method,
        headers: { ...who, ...(operation.hasBody && { 'Content-Type': 'application/json' }) },
        ...(operation.hasBody && { body: JSON.stringify(exampleBody(operation)) }),
      })
      expect([answer.status, shown(answer)]).toEqual([429, countingCalls(operation)])

      for (const [, state] of parseList(answer.headers['ratelimit']!)) {
        // Those of an address are everybody's here, and logging in counted before.
        if (!isPublic) expect(state.get('r')).toBe(1_000_000)
      }
    },
  )
})

describe('a call that is refused because too many streams are open', () => {
  test.each(['1', '5'])('of %s costs neither chat nor user', async (most) => {
    const engine = createManualEngine()
    const env = { MAX_OPEN_STREAMS: most, RATE_LIMIT_CHAT: '9/60', RATE_LIMIT_USER: '50/60' }
    const server = await startServer({ env, replacements: { deps: { engine } } })
    const alice = await server.createUser()
    const open = []
    for (let i = 0; i < Number(most); i += 1) open.push(await openManualStream(engine, alice))
    const left = `"user";r=${50 - open.length};t=60, "chat";r=${9 - open.length};t=60`
    for (let tries = 0; tries < 12; tries += 1) {
      const body = { message: 'Hi' }
      const { headers } = await alice.refused('too-many-streams', 'streamMessage', { body })
      expect(headers['ratelimit']).toBe(left)
    }
    for (const { turn, stream } of open) {
      turn.end()
      await stream.rest()
    }
    await server.close()
  })
})

describe('a call with an Idempotency-Key, its limits spent,', () => {
  const idempotent = operations.filter((operation) => operation.idempotent)
  const named = idempotent.map((operation) => ({ operationId: operation.operationId, operation }))
  type Wrong = { body?: string; headers?: Record<string, string | string[]>; query?: string }
  const wrongs: Record<string, Wrong> = {
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

  test.each(named)('$operationId is 429 whatever else is wrong with it', async ({ operation }) => {
    const server = await startServer({ env: { RATE_LIMIT_USER: '1/60' } })
    const { credentials } = await server.createUser()
    const call = ({ body, headers, query = '' }: Wrong) =>
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
    for (const [what, wrong] of Object.entries(wrongs)) {
      const answer = await call(wrong)
      expect([what, answer.status, answer.problem().code]).toEqual([what, 429, 'quota-exceeded'])
      expect(answer.headers['ratelimit']).toContain('"user";r=0')
    }
    await server.close()
  })
})

describe('a quota', () => {
  test('is open again exactly when Retry-After says, and not a second before', async () => {
    const server = await startServer({ env: { RATE_LIMIT_USER: '2/60' } })
    const alice = await server.createUser()
    await alice.expect(200, 'getProfile')
    await server.clock.advance(10_500)
    await alice.expect(200, 'getProfile')
    const { headers } = await alice.refused('quota-exceeded', 'getProfile')
    const seconds = Number(headers['retry-after'])
    await server.clock.advance((seconds - 1) * 1000)
    await alice.refused('quota-exceeded', 'getProfile')
    await server.clock.advance(1_000)
    await alice.expect(200, 'getProfile')
    await server.close()
  })

  test('is shown by GET /rate-limits, which costs nothing', async () => {
    const server = await startServer({
      env: { RATE_LIMIT_USER: '7/60', RATE_LIMIT_ANONYMOUS: '5/60' },
    })
    const alice = await server.createUser()
    await alice.expect(200, 'getProfile')
    for (let i = 0; i < 20; i += 1) await alice.expect(200, 'getRateLimits')
    const { body, headers } = await alice.expect(200, 'getRateLimits')
    expect(body.data.map(({ policy, quota, remaining }) => [policy, quota, remaining])).toEqual([
      ['user', 7, 6],
      ['chat', 1_000_000, 1_000_000],
    ])
    expect(headers).not.toHaveProperty('ratelimit')

    const { body: nobodys } = await server.anonymous.expect(200, 'getRateLimits')
    expect(nobodys.data.map(({ policy }) => policy)).toEqual(['anonymous'])

    await server.close()
  })

  test('of an address is not a call larger for odd paths, methods, headers and bursts', async () => {
    const QUOTA = 10
    const server = await startServer({ env: { RATE_LIMIT_ANONYMOUS: `${QUOTA}/3600` } })
    const paths = [
      '/status',
      '//status',
      '/status/',
      '/STATUS',
      '/%73tatus',
      '/./status',
      '/x/../status',
      '/status?',
      '/nothing',
      '/users/profile',
    ]
    const odd = paths.flatMap((path) => [
      { path, method: 'GET' },
      { path, method: 'HEAD' },
      { path, method: 'POST' },
      { path, method: 'GET', headers: { 'X-HTTP-Method-Override': 'DELETE' } },
      {
        path,
        method: 'GET',
        headers: { 'X-Forwarded-For': randomUUID(), Forwarded: 'for=192.0.2.9' },
      },
      {
        path,
        method: 'GET',
        headers: { 'X-Real-IP': '192.0.2.10', 'CF-Connecting-IP': '192.0.2.11' },
      },
      { path, method: 'GET', headers: { Authorization: `Bearer ${randomUUID()}` } },
      { path, method: 'GET', headers: { 'X-API-Key': `parley_live_${randomUUID()}` } },
    ])
    const answers = await Promise.all(
      odd.map(({ path, ...how }) => send(server.url + basePath + path, how)),
    )
    expect(answers.filter(({ status }) => status !== 429)).toHaveLength(QUOTA)

    await server.close()
  })
})

describe.each(LIMIT_STORES)('two servers that count in $name', ({ name, open }) => {
  test.skipIf(!open || name === 'memory')(
    'let exactly 10 of 200 parallel calls through, and tell the other 190 when to come back',
    async () => {
      const limits = await open!()
      const testStore = await openTestStore()
      const env = { RATE_LIMIT_USER: '10/3600' }
      const start = async () =>
        startServer({
          testStore,
          env,
          replacements: { deps: { limiter: await limits.openInstance() } },
        })
      const servers = [await start(), await start()]
      const alice = await servers[0]!.createUser()
      const path = new URL(alice.urlOf('getProfile')).pathname
      const calls = Array.from({ length: 200 }, (_, i) =>
        send(servers[i % 2]!.url + path, { headers: alice.credentials }),
      )
      const answers = await Promise.all(calls)
      const refused = answers.filter(({ status }) => status === 429)
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(10)
      expect(refused).toHaveLength(190)
      expect(refused.every(({ headers }) => Number(headers['retry-after']) > 3_500)).toBe(true)

      for (const server of servers) await server.close()
      await testStore.close()
      await limits.close()
    },
  )
})
