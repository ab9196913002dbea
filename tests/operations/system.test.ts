import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { OperationId } from '../../src/contract/types.ts'
import type { Client } from '../support/client.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { databaseDump, fillPath, operations } from '../support/contract/operations.ts'
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
  test('says that the process lives', async () => {
    expect((await server.anonymous.expect(200, 'getHealth')).body).toEqual({ status: 'up' })
  })
})

describe('GET /health/ready', () => {
  test('is ready when everything that it depends on answers', async () => {
    const { body } = await server.anonymous.expect(200, 'getReadiness')

    expect(body.status).toBe('ready')
    expect(body.checks.every(({ status }) => status === 'up')).toBe(true)
    expect(body.checks.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['database', 'limits', 'engine']),
    )
  })

  test('names the database that is down, and the process still lives', async () => {
    const testStore = await openTestStore()
    const lonely = await startServer({ testStore })
    await testStore.close()
    const answer = await lonely.anonymous.expect(503, 'getReadiness')
    expect(answer.headers['content-type']).toMatch(/^application\/json/)
    expect(answer.headers['retry-after']).toMatch(/^[1-9]\d*$/)
    expect(answer.body).toMatchObject({ status: 'unavailable' })
    expect(answer.body.checks).toContainEqual({ name: 'database', status: 'down' })
    expect(answer.body.checks).toContainEqual({ name: 'limits', status: 'up' })

    await lonely.anonymous.expect(200, 'getHealth')
    await lonely.anonymous.expect(200, 'getStatus')
    await lonely.close()
  })

  test('is degraded, and ready nevertheless, while the engine is down', async () => {
    const engine = { ...server.parley.deps.engine, check: () => Promise.resolve('down' as const) }
    const mute = await startServer({ replacements: { deps: { engine } } })
    const { body } = await mute.anonymous.expect(200, 'getReadiness')
    expect(body.status).toBe('degraded')
    expect(body.checks).toContainEqual({ name: 'engine', status: 'down' })

    await mute.close()
  })

  test('is over once the server drains', async () => {
    const leaving = await startServer()
    leaving.parley.services.status.drain()
    const { body } = await leaving.anonymous.expect(503, 'getReadiness')
    expect(body.checks).toContainEqual({ name: 'listener', status: 'down' })

    await leaving.close()
  })
})

describe('GET /status', () => {
  test('says honestly that rules answer and no language model', async () => {
    const { body } = await server.anonymous.expect(200, 'getStatus')
    expect(body.engine).toMatchObject({ kind: 'builtin', ruleBased: true })
    expect(body.startedAt).toBe('2026-11-23T09:00:00.000Z')

    const { body: reply } = await alice.expect(200, 'sendMessage', { body: { message: 'Hi' } })
    expect(reply.message.model).toBe(body.engine.model)
  })

  test('counts the seconds since the start', async () => {
    const before = await server.anonymous.expect(200, 'getStatus')
    await server.clock.advance(61_999)

    const after = await server.anonymous.expect(200, 'getStatus')

    expect(after.body.uptimeSeconds - before.body.uptimeSeconds).toBe(61)
  })
})

describe('GET /modes', () => {
  test('has exactly one default, and each mode can be chatted in', async () => {
    const { data } = (await server.anonymous.expect(200, 'listModes')).body
    expect(data.filter((mode) => mode.default)).toHaveLength(1)
    expect(new Set(data.map(({ id }) => id)).size).toBe(data.length)

    for (const { id } of data) {
      const body = { message: 'Hello!', mode: id }
      expect((await alice.expect(200, 'sendMessage', { body })).body.message.mode).toBe(id)
    }
  })

  test('shows nothing of the prompts behind them', async () => {
    const { data } = (await server.anonymous.expect(200, 'listModes')).body
    const keys = new Set(data.flatMap((mode) => Object.keys(mode)))

    expect([...keys].sort()).toEqual(['default', 'description', 'id', 'title'])
  })
})

describe('HEAD', () => {
  const readable = operations.filter(({ method, audit }) => method === 'get' && audit.length === 0)
  const acts = operations.filter(({ method, audit }) => method === 'get' && audit.length > 0)
  let admin: Client
  let resources: Resources
  beforeAll(async () => {
    admin = await server.admin()
    resources = { ...(await createUserResources(admin)), ...(await createAdminResources(server)) }
  })

  test.each(acts.map(({ operationId }) => operationId as OperationId))(
    'never does what %s does',
    async (operationId) => {
      const caller = await server.createUser()
      const before = await databaseDump(testStore.database)

      const answer = await send(caller.urlOf(operationId), {
        method: 'HEAD',
        headers: caller.credentials,
      })

      expect(answer.status).toBe(405)
      expect(await databaseDump(testStore.database)).toBe(before)
    },
  )

  test.each(readable.map(({ operationId }) => operationId as OperationId))(
    'answers like GET for %s, without the body',
    async (operationId) => {
      const operation = readable.find((one) => one.operationId === operationId)!
      const address = server.url + fillPath(operation, (name) => resources[name]!)

      const [get, head] = await Promise.all(
        ['GET', 'HEAD'].map((method) => send(address, { method, headers: admin.credentials })),
      )
      const headersOf = ({ headers }: { headers: Record<string, string> }) => {
        // How a body comes is said of GET alone.
        const own = ['x-request-id', 'ratelimit', 'date', 'transfer-encoding']
        return Object.fromEntries(Object.entries(headers).filter(([name]) => !own.includes(name)))
      }

      expect(head!.status).toBe(200)
      expect(head!.text).toBe('')
      expect(headersOf(head!)).toEqual(headersOf(get!))
    },
  )

  test('is refused like GET, without the body', async () => {
    const answer = await send(alice.urlOf('getProfile'), { method: 'HEAD' })

    expect(answer.status).toBe(401)
    expect(answer.headers['content-type']).toBe('application/problem+json')
    expect(answer.text).toBe('')
  })
})

describe('OPTIONS', () => {
  test.each([
    ['/api/v1/health', 'GET, HEAD'],
    ['/api/v1/chat', 'POST'],
    ['/api/v1/conversations', 'GET, HEAD, POST'],
    ['/api/v1/conversations/0199b3a4-9b2c-7f3e-8a41-5d2f9c7b6a10', 'DELETE, GET, HEAD, PATCH'],
    ['/chat', 'POST'],
  ])('tells what %s has', async (path, allow) => {
    const answer = await send(server.url + path, { method: 'OPTIONS' })

    expect([answer.status, answer.text]).toEqual([204, ''])
    expect(answer.headers['allow']!.split(', ').sort().join(', ')).toBe(allow)
  })

  test('tells nothing of a path that does not exist', async () => {
    const answer = await send(`${server.url}/api/v1/nonsense`, { method: 'OPTIONS' })

    expect(answer.problem().code).toBe('not-found')
  })
})

test('a path is the contract’s to the letter: no slash more, no other case', async () => {
  for (const path of ['/api/v1/health/', '/api/v1//health', '/API/v1/health', '/api/v1/Health']) {
    const answer = await fetch(server.url + path)
    expect([path, answer.status]).toEqual([path, 404])
    expect(answer.headers.get('content-type')).toBe('application/problem+json')
  }
})
