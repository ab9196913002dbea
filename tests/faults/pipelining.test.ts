import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createDeferred, type Deferred } from '../../src/lib/deferred.ts'
import { responsesIn, openRaw, rawRequest } from '../support/wire/pipeline.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/clock/until.ts'
import { send } from '../support/wire/wire.ts'

const STATUS = '/api/v1/status'
const HEALTH = '/api/v1/health'
const LARGE = '/openapi.json'

/** Calls of `getStatus` that have begun; each goes on when its deferred resolves. */
let begun: Deferred<undefined>[] = []
let isHeld = false
let server: TestServer
beforeAll(async () => {
  server = await startServer({
    replacements: {
      unacknowledged: () => new Map(),
      operations: (real) => ({
        ...real,
        async getStatus(...given) {
          const held = createDeferred<undefined>()
          begun.push(held)
          if (isHeld) await held.promise
          return real.getStatus(...given)
        },
      }),
    },
  })
})
afterEach(() => {
  begun = []
  isHeld = false
})
afterAll(() => server.close())

const open = () => openRaw(server.url, server.parley.server)
const requestWithId = (path: string, id: string) => rawRequest(path, { 'X-Request-Id': id })
/** Gives the server the time of a whole call on another connection. */
const waitForOtherCall = () => send(`${server.url}${HEALTH}`)

describe('pipelined calls on one connection', () => {
  test('begin one after another and are answered in order', async () => {
    isHeld = true
    const { socket, received } = await open()
    socket.write(['a', 'b', 'c'].map((id) => requestWithId(STATUS, id)).join(''))
    socket.write(requestWithId(HEALTH, 'd'))
    for (const count of [1, 2, 3]) {
      await until(() => begun.length === count)
      await waitForOtherCall()
      expect(begun).toHaveLength(count)
      begun[count - 1]!.resolve(undefined)
    }

    await until(() => responsesIn(received()).length === 4)

    expect(responsesIn(received())).toEqual(['200 a', '200 b', '200 c', '200 d'])

    socket.destroy()
  })

  test('have their bodies read in turn, however their bytes arrive', async () => {
    isHeld = true
    const { socket, received } = await open()
    const head = 'POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'
    const body = `{"email":"a@example.com","password":"${'x'.repeat(20_000)}"}`
    const post = (id: string) =>
      `${head}X-Request-Id: ${id}\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    socket.write(requestWithId(STATUS, 'a') + post('b').slice(0, 5_000))
    await until(() => begun.length === 1)
    socket.write(post('b').slice(5_000) + post('c') + requestWithId(HEALTH, 'd'))
    await waitForOtherCall()
    begun[0]!.resolve(undefined)

    await until(() => responsesIn(received()).length === 4)

    expect(responsesIn(received())).toEqual(['200 a', '400 b', '400 c', '200 d'])

    socket.destroy()
  })

  test('are not begun for a client that has hung up', async () => {
    isHeld = true
    const { socket, atServer } = await open()
    socket.write(requestWithId(STATUS, 'a') + requestWithId(STATUS, 'b'))
    await until(() => begun.length === 1)
    socket.destroy()
    await until(() => atServer.destroyed)
    begun[0]!.resolve(undefined)

    await waitForOtherCall()

    expect(begun).toHaveLength(1)
  })

  test('are answered up to a bound of some hundreds, and then the connection ends', async () => {
    const { socket, ended } = await open()
    socket.write(Array.from({ length: 1_000 }, (_, i) => requestWithId(HEALTH, `n-${i}`)).join(''))

    const answers = responsesIn(await ended)

    expect(answers.length).toBeGreaterThan(100)
    expect(answers.length).toBeLessThan(500)
    expect(answers).toEqual(answers.map((_, i) => `200 n-${i}`))
  })

  test('buffer one response for a client that reads nothing, and are cut after 30 s', async () => {
    const { socket, atServer } = await open()
    socket.pause()
    socket.write(rawRequest(LARGE).repeat(60))
    await until(() => atServer.writableLength > 0)
    const length = Number((await send(`${server.url}${LARGE}`)).headers['content-length'])

    await server.clock.advance(30_000)

    expect(atServer.destroyed).toBe(false)
    expect(atServer.writableLength).toBeLessThan(length + 10_000)

    await server.clock.advance(10_000)
    expect(atServer.destroyed).toBe(true)

    socket.destroy()
  })

  test('are not executed after a call with Connection: close', async () => {
    const { socket, ended } = await open()

    socket.write(rawRequest(HEALTH, { Connection: 'close' }) + rawRequest(STATUS))

    expect(responsesIn(await ended)).toHaveLength(1)
    expect(begun).toEqual([])
  })
})

describe('a connection', () => {
  test('is closed when only line breaks follow a response', async () => {
    const { socket, received, atServer } = await open()
    socket.write(rawRequest(HEALTH))
    await until(() => received().includes('"up"'))
    for (let seconds = 0; seconds < 30; seconds += 3) {
      expect(atServer.destroyed).toBe(false)
      socket.write('\r\n')
      await server.clock.advance(3_000)
    }

    await server.clock.advance(10_000)

    expect(atServer.destroyed).toBe(true)
  })

  test('is kept open for as long as its call takes', async () => {
    isHeld = true
    const { socket, received, atServer } = await open()
    socket.write(requestWithId(STATUS, 'a'))
    await until(() => begun.length === 1)
    await server.clock.advance(60_000)
    begun[0]!.resolve(undefined)

    await until(() => responsesIn(received()).length === 1)

    expect(atServer.destroyed).toBe(false)

    socket.destroy()
  })

  test.each(['Content-Length: 1000', 'Transfer-Encoding: chunked'])(
    'ends with the response to a call whose body is not read: %s',
    async (framing) => {
      const { socket, ended } = await open()
      socket.write(`GET ${HEALTH} HTTP/1.1\r\nHost: x\r\n${framing}\r\n\r\n`)

      const text = await ended

      expect(responsesIn(text)).toHaveLength(1)
      expect(text).toContain('\r\nConnection: close\r\n')

      socket.destroy()
    },
  )
})
