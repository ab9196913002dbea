import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createDeferred, type Deferred } from '../../src/lib/deferred.ts'
import { responsesIn, openRaw, rawRequest } from '../support/wire/pipeline.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { until } from '../support/clock/until.ts'
import { send } from '../support/wire/wire.ts'

const STATUS = '/api/v1/status'
const HEALTH = '/api/v1/health'
const LARGE = '/openapi.json'

/** Calls of `getStatus` that have begun, and what lets them go on. */
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
const named = (path: string, id: string) => rawRequest(path, { 'X-Request-Id': id })
/** Whatever the server would do by itself is done by the time that it answers somebody else. */
const letItWork = () => send(`${server.url}${HEALTH}`)

describe('calls that are sent ahead on one connection', () => {
  test('begin one after the other, and are answered in order', async () => {
    isHeld = true
    const { socket, received } = await open()
    socket.write(['a', 'b', 'c'].map((id) => named(STATUS, id)).join(''))
    socket.write(named(HEALTH, 'd'))
    for (const count of [1, 2, 3]) {
      await until(() => begun.length === count)
      await letItWork()
      expect(begun).toHaveLength(count)
      begun[count - 1]!.resolve(undefined)
    }
    await until(() => responsesIn(received()).length === 4)
    expect(responsesIn(received())).toEqual(['200 a', '200 b', '200 c', '200 d'])

    socket.destroy()
  })

  test('with bodies are read when it is their turn, however they came', async () => {
    isHeld = true
    const { socket, received } = await open()
    const head = 'POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n'
    const body = `{"email":"a@example.com","password":"${'x'.repeat(20_000)}"}`
    const post = (id: string) =>
      `${head}X-Request-Id: ${id}\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    socket.write(named(STATUS, 'a') + post('b').slice(0, 5_000))
    await until(() => begun.length === 1)
    socket.write(post('b').slice(5_000) + post('c') + named(HEALTH, 'd'))
    await letItWork()
    begun[0]!.resolve(undefined)
    await until(() => responsesIn(received()).length === 4)
    expect(responsesIn(received())).toEqual(['200 a', '400 b', '400 c', '200 d'])

    socket.destroy()
  })

  test('are not begun for a client that has hung up', async () => {
    isHeld = true
    const { socket, atServer } = await open()
    socket.write(named(STATUS, 'a') + named(STATUS, 'b'))
    await until(() => begun.length === 1)
    socket.destroy()
    await until(() => atServer.destroyed)
    begun[0]!.resolve(undefined)

    await letItWork()

    expect(begun).toHaveLength(1)
  })

  test('in their hundreds are answered as far as they are taken, and then the connection ends', async () => {
    const { socket, ended } = await open()
    socket.write(Array.from({ length: 1_000 }, (_, i) => named(HEALTH, `n-${i}`)).join(''))

    const answers = responsesIn(await ended)

    expect(answers.length).toBeGreaterThan(100)
    expect(answers.length).toBeLessThan(500)
    expect(answers).toEqual(answers.map((_, i) => `200 n-${i}`))
  })

  test('whose answers nobody reads hold one of them, and are cut after 30 s of that', async () => {
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

  test('behind the last call of a connection are not done', async () => {
    const { socket, ended } = await open()

    socket.write(rawRequest(HEALTH, { Connection: 'close' }) + rawRequest(STATUS))

    expect(responsesIn(await ended)).toHaveLength(1)
    expect(begun).toEqual([])
  })
})

describe('a connection', () => {
  test('on which only line breaks come after an answer is closed', async () => {
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

  test('is kept for as long as its call takes', async () => {
    isHeld = true
    const { socket, received, atServer } = await open()
    socket.write(named(STATUS, 'a'))
    await until(() => begun.length === 1)
    await server.clock.advance(60_000)
    begun[0]!.resolve(undefined)
    await until(() => responsesIn(received()).length === 1)
    expect(atServer.destroyed).toBe(false)

    socket.destroy()
  })

  test.each(['Content-Length: 1000', 'Transfer-Encoding: chunked'])(
    'ends with the answer to a call whose body nobody waits for: %s',
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
