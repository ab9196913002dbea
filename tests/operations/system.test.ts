import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { OperationId } from '../../src/contract/types.ts'
import type { Client } from '../support/client.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { contract } from '../support/contract/contract.ts'
import { fillPath, operations } from '../support/contract/operations.ts'
import { databaseDump } from '../support/database/database-dump.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { createAdminResources, createUserResources, type Resources } from '../support/resources.ts'
import { send } from '../support/wire/wire.ts'

let testStore: TestStore
let server: TestServer
let alice: Client
beforeAll(async () => {
  testStore = await openTestStore()
  server = await startServer({ testStore })
  alice = await server.createUser()
})
afterAll(async () => {
  await server.close()
  await testStore.close()
})

describe('GET /health', () => {
  test('returns up', async () => {
    expect((await server.anonymous.expect(200, 'getHealth')).body).toEqual({ status: 'up' })
  })
})

describe('GET /health/ready', () => {
  test('is ready when every dependency is up', async () => {
    const { body } = await server.anonymous.expect(200, 'getReadiness')

    expect(body.status).toBe('ready')
    expect(body.checks.every(({ status }) => status === 'up')).toBe(true)
    expect(body.checks.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['database', 'limits', 'engine']),
    )
  })

  test('returns 503 and names the database when it is down, while other operations work', async () => {
    const closedStore = await openTestStore()
    const unready = await startServer({ testStore: closedStore })
    await closedStore.close()

    const response = await unready.anonymous.expect(503, 'getReadiness')

    expect(response.headers['content-type']).toMatch(/^application\/json/)
    expect(response.headers['retry-after']).toMatch(/^[1-9]\d*$/)
    expect(response.body).toMatchObject({ status: 'unavailable' })
    expect(response.body.checks).toContainEqual({ name: 'database', status: 'down' })
    expect(response.body.checks).toContainEqual({ name: 'limits', status: 'up' })

    await unready.anonymous.expect(200, 'getHealth')
    await unready.anonymous.expect(200, 'getStatus')
    await unready.close()
  })

  test('is degraded but still 200 while the engine is down', async () => {
    const engine = { ...server.parley.deps.engine, check: () => Promise.resolve('down' as const) }
    const degraded = await startServer({ replacements: { deps: { engine } } })

    const { body } = await degraded.anonymous.expect(200, 'getReadiness')

    expect(body.status).toBe('degraded')
    expect(body.checks).toContainEqual({ name: 'engine', status: 'down' })

    await degraded.close()
  })

  test('returns 503 when the server drains', async () => {
    const draining = await startServer()
    draining.parley.services.status.drain()

    const { body } = await draining.anonymous.expect(503, 'getReadiness')

    expect(body.checks).toContainEqual({ name: 'listener', status: 'down' })

    await draining.close()
  })
})

describe('GET /status', () => {
  test('declares the builtin engine as rule-based', async () => {
    const { body } = await server.anonymous.expect(200, 'getStatus')
    expect(body.engine).toMatchObject({ kind: 'builtin', ruleBased: true })
    expect(body.startedAt).toBe('2026-11-23T09:00:00.000Z')

    const { body: reply } = await alice.expect(200, 'sendMessage', { body: { message: 'Hi' } })
    expect(reply.message.model).toBe(body.engine.model)
  })

  test('returns the version of the contract', async () => {
    const { body } = await server.anonymous.expect(200, 'getStatus')

    expect(body.version).toBe(contract.document.info.version)
  })

  test('counts the seconds since the start', async () => {
    const before = await server.anonymous.expect(200, 'getStatus')
    await server.clock.advance(61_999)

    const after = await server.anonymous.expect(200, 'getStatus')

    expect(after.body.uptimeSeconds - before.body.uptimeSeconds).toBe(61)
  })
})

describe('GET /modes', () => {
  test('returns exactly one default, and each mode can be used for a message', async () => {
    const { data } = (await server.anonymous.expect(200, 'listModes')).body
    expect(data.filter((mode) => mode.default)).toHaveLength(1)
    expect(new Set(data.map(({ id }) => id)).size).toBe(data.length)

    for (const { id } of data) {
      const body = { message: 'Hello!', mode: id }
      expect((await alice.expect(200, 'sendMessage', { body })).body.message.mode).toBe(id)
    }
  })

  test('does not show the prompts of the modes', async () => {
    const { data } = (await server.anonymous.expect(200, 'listModes')).body
    const keys = new Set(data.flatMap((mode) => Object.keys(mode)))

    expect([...keys].sort()).toEqual(['default', 'description', 'id', 'title'])
  })
})

describe('HEAD', () => {
  const readable = operations.filter(({ method, audit }) => method === 'get' && audit.length === 0)
  const withSideEffects = operations.filter(
    ({ method, audit }) => method === 'get' && audit.length > 0,
  )
  let admin: Client
  let resources: Resources
  beforeAll(async () => {
    admin = await server.admin()
    resources = { ...(await createUserResources(admin)), ...(await createAdminResources(server)) }
  })

  test.each(withSideEffects.map(({ operationId }) => operationId as OperationId))(
    'is refused for %s, which has side effects',
    async (operationId) => {
      const caller = await server.createUser()
      const before = await databaseDump(testStore.database)

      const response = await send(caller.urlOf(operationId), {
        method: 'HEAD',
        headers: caller.credentials,
      })

      expect(response.status).toBe(405)
      expect(await databaseDump(testStore.database)).toBe(before)
    },
  )

  test.each(readable.map(({ operationId }) => operationId as OperationId))(
    'returns the headers of GET without a body for %s',
    async (operationId) => {
      const operation = readable.find((one) => one.operationId === operationId)!
      const address = server.url + fillPath(operation, (name) => resources[name]!)

      const [get, head] = await Promise.all(
        ['GET', 'HEAD'].map((method) => send(address, { method, headers: admin.credentials })),
      )
      const headersOf = ({ headers }: { headers: Record<string, string> }) => {
        // The headers of each single call, and the framing of a body.
        const own = ['x-request-id', 'ratelimit', 'date', 'transfer-encoding']
        return Object.fromEntries(Object.entries(headers).filter(([name]) => !own.includes(name)))
      }

      expect(head!.status).toBe(200)
      expect(head!.text).toBe('')
      expect(headersOf(head!)).toEqual(headersOf(get!))
    },
  )

  test('is refused like GET, without a body', async () => {
    const response = await send(alice.urlOf('getProfile'), { method: 'HEAD' })

    expect(response.status).toBe(401)
    expect(response.headers['content-type']).toBe('application/problem+json')
    expect(response.text).toBe('')
  })
})

describe('OPTIONS', () => {
  test.each([
    ['/api/v1/health', 'GET, HEAD'],
    ['/api/v1/chat', 'POST'],
    ['/api/v1/conversations', 'GET, HEAD, POST'],
    ['/api/v1/conversations/0199b3a4-9b2c-7f3e-8a41-5d2f9c7b6a10', 'DELETE, GET, HEAD, PATCH'],
    ['/chat', 'POST'],
  ])('returns the methods of %s', async (path, allow) => {
    const response = await send(server.url + path, { method: 'OPTIONS' })

    expect([response.status, response.text]).toEqual([204, ''])
    expect(response.headers['allow']!.split(', ').sort().join(', ')).toBe(allow)
  })

  test('returns 404 for an unknown path', async () => {
    const response = await send(`${server.url}/api/v1/nonsense`, { method: 'OPTIONS' })

    expect(response.problem().code).toBe('not-found')
  })
})

test('a path with an extra slash or in another case is not found', async () => {
  for (const path of ['/api/v1/health/', '/api/v1//health', '/API/v1/health', '/api/v1/Health']) {
    const response = await fetch(server.url + path)
    expect([path, response.status]).toEqual([path, 404])
    expect(response.headers.get('content-type')).toBe('application/problem+json')
  }
})
