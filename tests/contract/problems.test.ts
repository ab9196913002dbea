import { once } from 'node:events'
import { Agent } from 'node:http'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PROBLEMS } from '../../src/domain/problem.ts'
import type { Client } from '../support/client.ts'
import { openTestStore } from '../support/database/database.ts'
import { createManualEngine } from '../support/upstream/manual-engine.ts'
import { fillPath, operations } from '../support/contract/operations.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { send, sendBytes, type WireResponse } from '../support/wire/wire.ts'

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

/** What every problem promises, whatever went wrong. */
function checkProblem(answer: WireResponse, code: keyof typeof PROBLEMS) {
  const problem = answer.problem()
  const { status, title, retryable } = PROBLEMS[code]
  const type = `/docs/problems/${code}`
  expect(problem).toMatchObject({ code, status, title, retryable, type })
  expect(answer.status).toBe(status)
  expect(answer.headers['x-request-id']).toBe(problem.requestId)
  expect(answer.headers['cache-control']).toBe('no-store')
  return problem
}

describe('an answer to what does not exist', () => {
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
  ])('%s is a problem, whoever asks', async (path) => {
    checkProblem(await send(server.url + path), 'not-found')
    const headers = { Authorization: 'Bearer junk' }
    checkProblem(await send(server.url + path, { headers }), 'not-found')
  })

  test('names the path that was called, without its query', async () => {
    const answer = await send(`${server.url}/api/v1/nonsense?token=secret`)

    expect(checkProblem(answer, 'not-found').instance).toBe('/api/v1/nonsense')
  })
})

describe('a method that a path does not have', () => {
  const paths = [...new Set(operations.map(({ path }) => path))]

  test.each(paths)('is refused at %s with those that it has', async (path) => {
    const here = operations.filter((one) => one.path === path)
    // What acts is not found by HEAD, which promises to change nothing.
    const has = here.flatMap(({ method, audit }) =>
      method === 'get' && audit.length === 0 ? ['GET', 'HEAD'] : [method],
    )
    const methods = has.map((method) => method.toUpperCase())
    const address = server.url + fillPath(here[0]!, () => '0199b3a4-9b2c-7f3e-8a41-5d2f9c7b6a10')
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'PROPFIND']) {
      if (methods.includes(method)) continue
      const answer = await send(address, { method })
      checkProblem(answer, 'method-not-allowed')
      expect(answer.headers['allow']!.split(', ').sort()).toEqual(methods.sort())
    }
  })
})

describe('a request that is not HTTP', () => {
  test.each([
    ['nonsense', 'nonsense\r\n\r\n'],
    ['bytes', Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03])],
    ['HTTP/2 without asking', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a length that is none', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n'],
    [
      'a length and chunks at once',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['a header with a line end', 'GET / HTTP/1.1\r\nHost: x\r\nX: a\nb\r\n\r\n'],
    ['no host', 'GET /api/v1/health HTTP/1.1\r\nConnection: close\r\n\r\n'],
  ])('is a problem: %s', async (_what, bytes) => {
    checkProblem(await sendBytes(server.url, bytes), 'invalid-request')
  })

  test('is a problem: chunks that are none', async () => {
    const head = 'POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'

    const answer = await sendBytes(server.url, `${head}Transfer-Encoding: chunked\r\n\r\nzz\r\n`)

    expect(answer.status).toBe(400)
    expect(answer.problem().requestId).toBe(answer.headers['x-request-id'])
  })

  test('is a problem: headers of more than 16 kB', async () => {
    const bytes = `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(17_000)}\r\n\r\n`
    checkProblem(await sendBytes(server.url, bytes), 'headers-too-large')
  })

  test.each([17_000, 60_000, 1_000_000])('is a problem: an address of %d bytes', async (length) => {
    const bytes = `GET /${'x'.repeat(length)} HTTP/1.1\r\nHost: x\r\n\r\n`
    checkProblem(await sendBytes(server.url, bytes), 'uri-too-long')
  })

  test('is a problem: one that does not arrive in time', async () => {
    const { server: http } = server.parley
    const accepted = once(http, 'connection') as Promise<[Socket]>
    const answer = sendBytes(server.url, 'POST /api/v1/chat HTTP/1.1\r\n')
    const [socket] = await accepted
    const late = Object.assign(new Error('late'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' })
    http.emit('clientError', late, socket)
    checkProblem(await answer, 'request-timeout')
  })

  test('is nothing to answer if nothing was sent', async () => {
    const { hostname, port } = new URL(server.url)
    const socket = connect(Number(port), hostname)
    const received: Buffer[] = []
    socket.on('data', (chunk) => received.push(chunk))
    socket.end()

    await once(socket, 'close')

    expect(received).toEqual([])
    expect((await send(alice.urlOf('getHealth'))).status).toBe(200)
  })
})

describe('an odd request that is HTTP', () => {
  test('with an expectation that nobody knows is answered as if it had none', async () => {
    const answer = await send(alice.urlOf('getHealth'), { headers: { Expect: 'the-unexpected' } })

    expect(answer.status).toBe(200)
  })

  test.each(['*', 'http://[', 'http://elsewhere.example/api/v1/health', '/api/v1/a"<b>|{}^`\\'])(
    'for the address %s is answered and nothing breaks',
    async (address) => {
      const bytes = `GET ${address} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`
      const answer = await sendBytes(server.url, bytes)
      expect(answer.status).toBeLessThan(500)

      if (answer.status !== 200) expect(answer.problem().status).toBe(answer.status)
    },
  )

  test.each([
    ['bytes beyond ASCII', Buffer.from('/api/v1/caf\u00e9', 'latin1')],
    ['UTF-8 as it is', Buffer.from('/api/v1/한국어')],
    ['what no URI may hold', Buffer.from('/api/v1/conversations/a"<b>|{}^`\\[]')],
    ['8,000 characters', Buffer.from(`/api/v1/${'x'.repeat(8_000)}`)],
    ['8,000 percent signs', Buffer.from(`/api/v1/${'%41'.repeat(2_600)}`)],
  ])('for an address with %s is refused as a problem', async (_what, path) => {
    const head = Buffer.from('GET ')
    const credentials = `Authorization: ${alice.credentials['Authorization']!}`
    const tail = ` HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${credentials}\r\n\r\n`

    const answer = await sendBytes(server.url, Buffer.concat([head, path, Buffer.from(tail)]))

    expect([400, 404]).toContain(answer.status)
    expect(answer.problem().instance.length).toBeLessThanOrEqual(2000)
  })

  test('leaves the connection in order for the next one after its body was refused', async () => {
    const host = `Host: x\r\nAuthorization: ${alice.credentials['Authorization']!}`
    const bad = `POST /api/v1/conversations HTTP/1.1\r\n${host}\r\nContent-Type: text/plain\r\nContent-Length: 44\r\n\r\n`
    const body = 'GET /api/v1/smuggled HTTP/1.1\r\nHost: x\r\n\r\n   '
    const next = `GET /api/v1/health HTTP/1.1\r\n${host}\r\nConnection: close\r\n\r\n`

    const answer = await sendBytes(server.url, bad + body + next)

    expect(answer.text).not.toContain('smuggled')
    expect([200, 415]).toContain(answer.status)
  })
})

test('garbage behind a request whose answer has begun gets no answer into the middle of it', async () => {
  const engine = createManualEngine()
  const talkative = await startServer({ replacements: { deps: { engine } } })
  const bob = await talkative.createUser()
  const { hostname, port } = new URL(talkative.url)
  const socket = connect(Number(port), hostname)
  const received: string[] = []
  const begun = new Promise((resolve) => {
    socket.on('data', (chunk) => {
      received.push(chunk.toString())
      if (chunk.includes('message.start')) resolve(undefined)
    })
  })
  const body = '{"message":"Hello!"}'
  const credentials = `Authorization: ${bob.credentials['Authorization']!}`
  const head = `POST /api/v1/chat/stream HTTP/1.1\r\nHost: x\r\n${credentials}\r\nContent-Type: application/json`
  socket.write(`${head}\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
  const turn = await engine.next()
  turn.say('Hello')
  await begun
  socket.write('nonsense\r\n\r\n')
  // Anything that the server would write at once comes before the next word.
  turn.say(' and goodbye')
  turn.end()
  await once(socket, 'close')
  const [, stream, refusal] = received.join('').split('HTTP/1.1 ')
  expect(stream).toMatch(/event: message\.end\n.*\n.*\n\n\r\n0\r\n\r\n$/)
  expect(refusal).toMatch(/^400 [^]*"code":"invalid-request"/)

  await talkative.close()
})

describe('X-Request-Id', () => {
  test('of the caller is kept in the header, the problem and the log', async () => {
    const id = 'Order-66_of.the.caller'
    const headers = { 'X-Request-Id': id }

    const answer = await send(`${server.url}/api/v1/nonsense`, { headers })

    expect(checkProblem(answer, 'not-found').requestId).toBe(id)
    expect(server.logLines().filter((line) => line['requestId'] === id)).toHaveLength(1)
  })

  test.each(['has space', 'x'.repeat(129), 'a;b', '<script>', 'ü'])(
    'of the caller is replaced when it is %s',
    async (id) => {
      const headers = { 'X-Request-Id': id }

      const answer = await send(alice.urlOf('getHealth'), { headers })

      expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
    },
  )

  test('is new for every call', async () => {
    const answers = await Promise.all([1, 2, 3].map(() => send(alice.urlOf('getHealth'))))

    expect(new Set(answers.map(({ headers }) => headers['x-request-id'])).size).toBe(3)
  })
})

describe('a mistake of ours', () => {
  test.each(['listModes', 'getUsage'] as const)(
    'in %s is a 500 that tells nothing, and the log tells it under the request id',
    async (operationId) => {
      const answer = await send(alice.urlOf(operationId), { headers: alice.credentials })
      const { requestId } = checkProblem(answer, 'internal')
      expect(JSON.stringify([answer.text, answer.headers])).not.toContain('swordfish')

      const lines = server.logLines().filter((line) => line['requestId'] === requestId)
      expect(lines.some((line) => JSON.stringify(line).includes(SECRET))).toBe(true)
      expect(lines.every((line) => line['operationId'] === operationId)).toBe(true)
    },
  )
})

describe('a database that goes away', () => {
  test('is a 503 with Retry-After in every call that needs it, and nothing of the cause shows', async () => {
    const testStore = await openTestStore()
    const lonely = await startServer({ testStore })
    const bob = await lonely.createUser()
    await testStore.close()
    const answers = await Promise.all([
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
    for (const answer of answers) {
      const problem = checkProblem(answer, 'unavailable')
      expect(answer.headers['retry-after']).toMatch(/^[1-9]\d*$/)
      expect(JSON.stringify(problem)).not.toMatch(/prisma|pglite|postgres|sql/i)
    }
    await bob.expect(200, 'getHealth')
    await lonely.close()
  })
})

test('a connection that is kept alive serves calls after problems', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const statuses: number[] = []
  for (const path of ['/api/v1/nonsense', '/api/v1/users/profile', '/api/v1/health']) {
    statuses.push((await send(server.url + path, { agent })).status)
  }

  agent.destroy()

  expect(statuses).toEqual([404, 401, 200])
})
