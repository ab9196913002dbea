import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createDeferred } from '../../src/lib/deferred.ts'
import { responsesIn, openRaw, rawRequest } from '../support/wire/pipeline.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/clock/until.ts'

const ORIGIN = 'https://app.example.com'
const HEALTH = '/api/v1/health'
const LONG = 'x'.repeat(17_000)

let gate: Promise<unknown> | undefined
let held = 0
let server: TestServer
beforeAll(async () => {
  server = await startServer({
    env: { CORS_ORIGINS: `${ORIGIN},https://other.example.com` },
    replacements: {
      operations: (real) => ({
        ...real,
        async getStatus(...given) {
          held += 1
          await gate
          return real.getStatus(...given)
        },
      }),
    },
  })
})
afterAll(() => server.close())

async function responseTo(bytes: string): Promise<string> {
  const { socket, ended } = await openRaw(server.url, server.parley.server)
  socket.write(bytes)
  const text = await ended
  socket.destroy()
  return text
}

const linesOf = (id: string) => server.logLines().filter((line) => line['requestId'] === id)

function head(id: string, ...more: string[]): string {
  return [`Origin: ${ORIGIN}`, `X-Request-Id: ${id}`, ...more, '', ''].join('\r\n')
}

describe('a request that cannot be parsed', () => {
  test.each([
    ['431', 'headers-too-large', `GET / HTTP/1.1\r\nHost: x\r\n${head('r-431', `X: ${LONG}`)}`],
    ['414', 'uri-too-long', `GET /${LONG} HTTP/1.1\r\nHost: x\r\n${head('r-414')}`],
    ['400', 'invalid-request', `GET / HTTP/1.1\r\nHost: x\r\n${head('r-400', 'X: a\nb')}`],
    ['400', 'invalid-request', `GET / HTTP/1.1\r\n${head('no-host')}`],
    ['400', 'invalid-request', `OPTIONS / HTTP/1.1\r\n${head('preflight')}`],
    ['400', 'invalid-request', `GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n${head('two-hosts')}`],
    ['400', 'invalid-request', `GET http://[ HTTP/1.1\r\nHost: x\r\n${head('no-address')}`],
    ['400', 'invalid-request', `CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n${head('connect')}`],
  ])(
    'is answered with CORS headers and logged, like any call: %s %s %#',
    async (status, problem, bytes) => {
      const id = /X-Request-Id: (.*)\r/.exec(bytes)![1]!
      const text = await responseTo(bytes)
      expect(responsesIn(text)).toEqual([`${status} ${id}`])
      expect(text).toContain(`\r\nAccess-Control-Allow-Origin: ${ORIGIN}\r\n`)
      expect(text).toContain('\r\nX-Content-Type-Options: nosniff\r\n')
      expect(text).toContain(`"code":"${problem}"`)

      await until(() => linesOf(id).length > 0)
      expect(linesOf(id)).toMatchObject([{ msg: 'request', status: Number(status), problem }])
    },
  )

  test('has no CORS header for an origin that is not allowed', async () => {
    const text = await responseTo(`GET / HTTP/1.1\r\nOrigin: https://evil.example.com\r\n\r\n`)

    expect(text).not.toContain('Access-Control-Allow-Origin')
    expect(text).toContain('\r\nVary: Origin\r\n')
  })

  test('is answered after the calls before it, and no call after it is executed', async () => {
    const released = createDeferred<undefined>()
    gate = released.promise
    const { socket, ended, received } = await openRaw(server.url, server.parley.server)
    const call = (path: string, id: string) => rawRequest(path, { 'X-Request-Id': id })
    const before = held
    socket.write(`${call('/api/v1/status', 'first')}${call(HEALTH, 'second')}`)
    socket.write(`nonsense\r\n${head('third')}${call('/api/v1/status', 'fourth')}`)
    await until(() => held > before)
    expect(received()).toBe('')

    released.resolve(undefined)
    expect(responsesIn(await ended)).toEqual(['200 first', '200 second', '400 third'])
    expect(held).toBe(before + 1)
  })
})

const LOGIN = 'POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'

describe('a body whose end a proxy may see elsewhere', () => {
  const chunks = '2\r\n{}\r\n0\r\n\r\n'
  test.each([
    'Transfer-Encoding: gzip, chunked',
    'Transfer-Encoding: chunked, chunked',
    'Transfer-Encoding: identity, chunked',
    'Transfer-Encoding: chunked, gzip',
    'Transfer-Encoding: chunked;q=1',
    'Transfer-Encoding: xchunked',
    'Transfer-Encoding: identity',
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
    'Transfer-Encoding: chunked\r\nContent-Length: 2',
    'Transfer-Encoding:\r\n chunked',
    'Transfer-Encoding : chunked',
    'Content-Length: 2\r\nContent-Length: 3',
    'Content-Length: +2',
  ])('is refused, and nothing after it is answered: %s', async (framing) => {
    const text = await responseTo(`${LOGIN}${framing}\r\n\r\n${chunks}${rawRequest(HEALTH)}`)

    expect(responsesIn(text)).toHaveLength(1)
    expect(text).toMatch(/^HTTP\/1\.1 400 [^]*"code":"invalid-request"/)
  })

  test('is refused when it is chunked in HTTP/1.0', async () => {
    const login = LOGIN.replace('1.1', '1.0')

    const text = await responseTo(`${login}Transfer-Encoding: chunked\r\n\r\n${chunks}`)

    expect(text).toMatch(/^HTTP\/1\.1 400 [^]*"code":"invalid-request"/)
  })

  test('is read when its coding is spelled `Chunked`', async () => {
    const close = 'Connection: close\r\n'

    const text = await responseTo(`${LOGIN}${close}Transfer-Encoding: Chunked\r\n\r\n${chunks}`)

    expect(text).toContain('"pointer":"/email"')
  })

  test('gets one response and one log line when its chunks are broken', async () => {
    const id = 'X-Request-Id: broken-chunks\r\n'
    const text = await responseTo(`${LOGIN}${id}Transfer-Encoding: chunked\r\n\r\nzz\r\n`)
    expect(responsesIn(text)).toEqual(['400 broken-chunks'])

    await until(() => linesOf('broken-chunks').length > 0)
    expect(linesOf('broken-chunks')).toMatchObject([{ operationId: 'logIn', status: 400 }])
  })
})

describe('Expect: 100-continue', () => {
  const EXPECT = 'Expect: 100-continue\r\n'

  test.each([
    ['413', `${LOGIN}${EXPECT}Content-Length: 300000\r\n\r\n`],
    ['415', `${LOGIN.replace('json', 'xml')}${EXPECT}Content-Length: 2\r\n\r\n`],
    ['401', `${LOGIN.replace('auth/login', 'conversations')}${EXPECT}Content-Length: 2\r\n\r\n`],
    ['404', `${LOGIN.replace('auth/login', 'nonsense')}${EXPECT}Content-Length: 2\r\n\r\n`],
  ])('gets the response at once when the body does not matter: %s', async (status, bytes) => {
    const text = await responseTo(bytes)

    expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} [^]*\\r\\nConnection: close\\r\\n`))
  })

  test('gets 100 Continue when the body is read', async () => {
    const { socket, received } = await openRaw(server.url, server.parley.server)
    socket.write(`${LOGIN}${EXPECT}Content-Length: 2\r\n\r\n`)

    await until(() => received() !== '')

    expect(received()).toBe('HTTP/1.1 100 Continue\r\n\r\n')

    socket.write('{}')
    await until(() => received().includes('"pointer":"/email"'))
    socket.destroy()
  })
})
