import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { createManualEngine } from '../support/upstream/manual-engine.ts'
import { send, sendBytes } from '../support/wire/wire.ts'
import { expectProblem } from './problems.given.ts'

let server: TestServer
let alice: Client
beforeAll(async () => {
  server = await startServer()
  alice = await server.createUser()
})
afterAll(() => server.close())

describe('a request that is not HTTP', () => {
  test.each([
    ['nonsense', 'nonsense\r\n\r\n'],
    ['a TLS handshake', Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03])],
    ['HTTP/2 without an upgrade', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['an invalid Content-Length', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n'],
    [
      'a Content-Length and chunks',
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['a header with a bare line feed', 'GET / HTTP/1.1\r\nHost: x\r\nX: a\nb\r\n\r\n'],
    ['no Host header', 'GET /api/v1/health HTTP/1.1\r\nConnection: close\r\n\r\n'],
  ])('is refused with 400: %s', async (_what, bytes) => {
    expectProblem(await sendBytes(server.url, bytes), 'invalid-request')
  })

  test('is refused with 400: malformed chunks', async () => {
    const head = 'POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'

    const response = await sendBytes(server.url, `${head}Transfer-Encoding: chunked\r\n\r\nzz\r\n`)

    expect(response.status).toBe(400)
    expect(response.problem().requestId).toBe(response.headers['x-request-id'])
  })

  test('is refused with headers-too-large above 16 kB of headers', async () => {
    const bytes = `GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(17_000)}\r\n\r\n`
    expectProblem(await sendBytes(server.url, bytes), 'headers-too-large')
  })

  test.each([17_000, 60_000, 1_000_000])(
    'is refused with uri-too-long for a URL of %d bytes',
    async (length) => {
      const bytes = `GET /${'x'.repeat(length)} HTTP/1.1\r\nHost: x\r\n\r\n`
      expectProblem(await sendBytes(server.url, bytes), 'uri-too-long')
    },
  )

  test('is refused with request-timeout when it does not arrive in time', async () => {
    const { server: http } = server.parley
    const accepted = once(http, 'connection') as Promise<[Socket]>
    const response = sendBytes(server.url, 'POST /api/v1/chat HTTP/1.1\r\n')
    const [socket] = await accepted

    const late = Object.assign(new Error('late'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' })
    http.emit('clientError', late, socket)

    expectProblem(await response, 'request-timeout')
  })

  test('gets no response when the client sends nothing and closes the connection', async () => {
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

describe('an unusual request that is valid HTTP', () => {
  test('is served in spite of an unknown Expect header', async () => {
    const response = await send(alice.urlOf('getHealth'), { headers: { Expect: 'the-unexpected' } })

    expect(response.status).toBe(200)
  })

  test.each(['*', 'http://[', 'http://elsewhere.example/api/v1/health', '/api/v1/a"<b>|{}^`\\'])(
    'gets a response below 500 for the target %s',
    async (address) => {
      const bytes = `GET ${address} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`

      const response = await sendBytes(server.url, bytes)

      expect(response.status).toBeLessThan(500)

      if (response.status !== 200) expect(response.problem().status).toBe(response.status)
    },
  )

  test.each([
    ['bytes beyond ASCII', Buffer.from('/api/v1/caf\u00e9', 'latin1')],
    ['unescaped UTF-8', Buffer.from('/api/v1/한국어')],
    ['characters that no URI may contain', Buffer.from('/api/v1/conversations/a"<b>|{}^`\\[]')],
    ['8,000 characters', Buffer.from(`/api/v1/${'x'.repeat(8_000)}`)],
    ['8,000 percent signs', Buffer.from(`/api/v1/${'%41'.repeat(2_600)}`)],
  ])('is refused with a problem for a target with %s', async (_what, path) => {
    const head = Buffer.from('GET ')
    const credentials = `Authorization: ${alice.credentials['Authorization']!}`
    const tail = ` HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${credentials}\r\n\r\n`

    const response = await sendBytes(server.url, Buffer.concat([head, path, Buffer.from(tail)]))

    expect([400, 404]).toContain(response.status)
    expect(response.problem().instance.length).toBeLessThanOrEqual(2000)
  })

  test('does not have its refused body read as the next request', async () => {
    const host = `Host: x\r\nAuthorization: ${alice.credentials['Authorization']!}`
    const bad = `POST /api/v1/conversations HTTP/1.1\r\n${host}\r\nContent-Type: text/plain\r\nContent-Length: 44\r\n\r\n`
    const body = 'GET /api/v1/smuggled HTTP/1.1\r\nHost: x\r\n\r\n   '
    const next = `GET /api/v1/health HTTP/1.1\r\n${host}\r\nConnection: close\r\n\r\n`

    const response = await sendBytes(server.url, bad + body + next)

    expect(response.text).not.toContain('smuggled')
    expect([200, 415]).toContain(response.status)
  })
})

test('garbage after a request is refused after the response in progress, not in the middle of it', async () => {
  const engine = createManualEngine()
  const streaming = await startServer({ replacements: { deps: { engine } } })
  const bob = await streaming.createUser()
  const { hostname, port } = new URL(streaming.url)
  const socket = connect(Number(port), hostname)
  const received: string[] = []
  const started = new Promise((resolve) => {
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
  await started
  socket.write('nonsense\r\n\r\n')
  // A response to the garbage would come before the next text.
  turn.say(' and goodbye')
  turn.end()

  await once(socket, 'close')
  const [, stream, refusal] = received.join('').split('HTTP/1.1 ')

  expect(stream).toMatch(/event: message\.end\n.*\n.*\n\n\r\n0\r\n\r\n$/)
  expect(refusal).toMatch(/^400 [^]*"code":"invalid-request"/)

  await streaming.close()
})
