import { Agent } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../support/client.ts'
import { openTestStore } from '../support/database/database.ts'
import { fillPath, operations } from '../support/contract/operations.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { send } from '../support/wire/wire.ts'
import { expectProblem } from './problems.given.ts'

const SECRET = 'the database password is swordfish'

let server: TestServer
let alice: Client
beforeAll(async () => {
  server = await startServer({
    replacements: {
      operations: (real) => ({
        ...real,
        listModes: () => Promise.reject(new Error(SECRET)),
        getUsage: () => {
          throw Object.assign(new Error(SECRET), { status: 418, headers: { 'X-Leak': SECRET } })
        },
      }),
    },
  })
  alice = await server.createUser()
})
afterAll(() => server.close())

describe('an unknown path', () => {
  test.each([
    '/api/v1',
    '/api/v1/nonsense',
    '/api/v2/health',
    '/API/v1/health',
    '/nonsense/%zz',
    '/api/v1/test',
    '//api/v1/health',
    '/api/v1/users',
    '/api/v1/constructor',
  ])('%s is not-found with and without a credential', async (path) => {
    expectProblem(await send(server.url + path), 'not-found')
    const headers = { Authorization: 'Bearer junk' }
    expectProblem(await send(server.url + path, { headers }), 'not-found')
  })

  test('is the instance of the problem, without its query', async () => {
    const response = await send(`${server.url}/api/v1/nonsense?token=secret`)

    expect(expectProblem(response, 'not-found').instance).toBe('/api/v1/nonsense')
  })
})

describe('a method that the path does not support', () => {
  const paths = [...new Set(operations.map(({ path }) => path))]

  test.each(paths)('is refused at %s with 405 and the supported methods in Allow', async (path) => {
    const here = operations.filter((one) => one.path === path)
    // A GET with side effects has no HEAD, which must change nothing.
    const supported = here.flatMap(({ method, audit }) =>
      method === 'get' && audit.length === 0 ? ['GET', 'HEAD'] : [method],
    )
    const methods = supported.map((method) => method.toUpperCase())
    const address = server.url + fillPath(here[0]!, () => '0199b3a4-9b2c-7f3e-8a41-5d2f9c7b6a10')

    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'PROPFIND']) {
      if (methods.includes(method)) continue
      const response = await send(address, { method })
      expectProblem(response, 'method-not-allowed')
      expect(response.headers['allow']!.split(', ').sort()).toEqual(methods.sort())
    }
  })
})

describe('X-Request-Id', () => {
  test('repeats the id of the caller in the header, the problem and the log', async () => {
    const id = 'Order-66_of.the.caller'
    const headers = { 'X-Request-Id': id }

    const response = await send(`${server.url}/api/v1/nonsense`, { headers })

    expect(expectProblem(response, 'not-found').requestId).toBe(id)
    expect(server.logLines().filter((line) => line['requestId'] === id)).toHaveLength(1)
  })

  test.each(['has space', 'x'.repeat(129), 'a;b', '<script>', 'ü'])(
    'is generated when that of the caller is invalid: %s',
    async (id) => {
      const headers = { 'X-Request-Id': id }

      const response = await send(alice.urlOf('getHealth'), { headers })

      expect(response.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
    },
  )

  test('is unique when the caller sends none', async () => {
    const responses = await Promise.all([1, 2, 3].map(() => send(alice.urlOf('getHealth'))))

    expect(new Set(responses.map(({ headers }) => headers['x-request-id'])).size).toBe(3)
  })
})

describe('an unexpected failure', () => {
  test.each(['listModes', 'getUsage'] as const)(
    'becomes a 500 without details for %s; the log has them with the request id',
    async (operationId) => {
      const response = await send(alice.urlOf(operationId), { headers: alice.credentials })
      const { requestId } = expectProblem(response, 'internal')

      expect(JSON.stringify([response.text, response.headers])).not.toContain('swordfish')

      const lines = server.logLines().filter((line) => line['requestId'] === requestId)
      expect(lines.some((line) => JSON.stringify(line).includes(SECRET))).toBe(true)
      expect(lines.every((line) => line['operationId'] === operationId)).toBe(true)
    },
  )
})

describe('when the database becomes unavailable', () => {
  test('every call that needs it returns 503 with Retry-After and without the cause', async () => {
    const testStore = await openTestStore()
    const unready = await startServer({ testStore })
    const bob = await unready.createUser()
    await testStore.close()

    const responses = await Promise.all([
      send(bob.urlOf('getProfile'), { headers: bob.credentials }),
      send(bob.urlOf('listConversations'), { headers: bob.credentials }),
      send(bob.urlOf('sendMessage'), {
        method: 'POST',
        headers: { ...bob.credentials, 'Content-Type': 'application/json' },
        body: '{"message":"Hello!"}',
      }),
      send(bob.urlOf('logIn'), {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: '{"email":"ada@example.com","password":"a password"}',
      }),
    ])

    for (const response of responses) {
      const problem = expectProblem(response, 'unavailable')
      expect(response.headers['retry-after']).toMatch(/^[1-9]\d*$/)
      expect(JSON.stringify(problem)).not.toMatch(/prisma|pglite|postgres|sql/i)
    }
    await bob.expect(200, 'getHealth')

    await unready.close()
  })
})

test('a connection stays open after problems', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const statuses: number[] = []
  for (const path of ['/api/v1/nonsense', '/api/v1/users/profile', '/api/v1/health']) {
    statuses.push((await send(server.url + path, { agent })).status)
  }

  expect(statuses).toEqual([404, 401, 200])

  agent.destroy()
})
