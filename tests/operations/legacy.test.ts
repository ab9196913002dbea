import supertest from 'supertest'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ChatReply, Feedback } from '../../generated/api.ts'
import type { Client } from '../support/client.ts'
import { moved } from '../support/contract/operations.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { send } from '../support/wire/wire.ts'

let server: TestServer
let alice: Client
beforeAll(async () => {
  server = await startServer()
  alice = await server.createUser()
})
afterAll(() => server.close())

const OLD_PATHS = [
  'get /status',
  'get /modes',
  'get /feedback',
  'post /feedback',
  'post /chat',
  'get /test',
]

test('every path of the first server is still served', () => {
  expect(moved.map(({ method, from }) => `${method} ${from}`).sort()).toEqual(OLD_PATHS.sort())
})

describe.each(moved)('$method $from', ({ method, from, to }) => {
  test('returns 308 with the new location, the deprecation date and the sunset', async () => {
    const response = await send(server.url + from, { method: method.toUpperCase() })

    expect(response.status).toBe(308)
    expect(response.text).toBe('')
    expect(response.headers).toMatchObject({
      location: to,
      // RFC 9745: 2026-11-23T00:00:00Z. RFC 8594: an HTTP date.
      deprecation: '@1795392000',
      sunset: 'Tue, 30 Nov 2027 00:00:00 GMT',
      link: '</docs#section/Versions-and-changes>; rel="deprecation"; type="text/html"',
      'cache-control': 'no-store',
    })
    expect(response.headers).toHaveProperty('ratelimit')
  })

  test('keeps the query and never redirects to another server', async () => {
    const response = await send(`${server.url}${from}?limit=5&q=//evil.example`, {
      method: method.toUpperCase(),
    })
    expect(response.headers['location']).toBe(`${to}?limit=5&q=//evil.example`)

    const query = `?${'&'.repeat(1_500)}x[__proto__]="%"&y=%41`
    const carried = await send(server.url + from + query, { method: method.toUpperCase() })
    const encoded = query.replace('[__proto__]="%"', '%5B__proto__%5D=%22%25%22')
    expect(carried.headers['location']).toBe(to + encoded)

    const other = await send(`${server.url}/${from}`, { method: method.toUpperCase() })
    expect(other.status).toBe(404)
  })
})

describe('a client that follows redirects', () => {
  test('chats and gives feedback through the old paths', async () => {
    const sent = await supertest(server.url)
      .post('/chat')
      .set(alice.credentials)
      .send({ message: 'Hello! My name is Ada.' })
      .redirects(1)
    expect(sent.status).toBe(200)
    const { message } = sent.body as ChatReply
    expect(message.content).toContain('Ada')

    const response = await fetch(`${server.url}/feedback`, {
      method: 'POST',
      headers: { ...alice.credentials, 'Content-Type': 'application/json' },
      body: JSON.stringify({ messageId: message.id, rating: 'up' }),
    })
    expect(response.status).toBe(200)
    expect(((await response.json()) as Feedback).messageId).toBe(message.id)
  })

  test('reaches the health check through /test', async () => {
    const response = await fetch(`${server.url}/test`)

    expect([response.status, await response.json()]).toEqual([200, { status: 'up' }])
  })
})

describe('an old path', () => {
  test('supports only its old methods', async () => {
    const response = await send(`${server.url}/chat`, { method: 'GET' })

    expect(response.problem().code).toBe('method-not-allowed')
    expect(response.headers['allow']).toBe('POST')
  })

  test('does not exist under the new prefix: /test', async () => {
    expect((await send(`${server.url}/api/v1/test`)).problem().code).toBe('not-found')
  })

  test('does not exist for operations that the first server did not have', async () => {
    expect((await send(`${server.url}/conversations`)).problem().code).toBe('not-found')
    expect((await send(`${server.url}/health`)).problem().code).toBe('not-found')
  })
})
