import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Reply } from '../../src/contract/types.ts'
import { Problem } from '../../src/domain/problem.ts'
import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { send } from '../support/wire/wire.ts'

/*
 * The parts of a response that express-openapi-validator does not check: its headers, its media type
 * and the code of a problem. A wrong response is sent; the violation is counted and logged.
 */

type Change = (reply: Reply<'getConversation'>) => object

let change: Change
let server: TestServer
let alice: Client
let path: { conversationId: string }
beforeAll(async () => {
  server = await startServer({
    allowsViolations: true,
    replacements: {
      operations: (real) => ({
        ...real,
        async getConversation(input, caller, call) {
          const reply = await real.getConversation(input, caller, call)
          return { ...reply, ...change(reply) }
        },
      }),
    },
  })
  alice = await server.createUser()
  const { body } = await alice.expect(201, 'createConversation', { body: {} })
  path = { conversationId: body.id }
})
beforeEach(() => {
  change = () => ({})
})
afterAll(() => server.close())

const violations = () => server.logLines().filter(({ msg }) => msg === 'contract violated')

describe('a response that breaks the contract', () => {
  test.each<[string, Change, string]>([
    [
      'an undocumented header',
      ({ headers }) => ({ headers: { ...headers, 'X-Internal': 'db-7' } }),
      'the header x-internal is not documented',
    ],
    ['no required header', () => ({ headers: {} }), 'the header content-encoding is missing'],
    [
      'a header that breaks its schema',
      ({ headers }) => ({ headers: { ...headers, ETag: 'weak' } }),
      'the header etag must match pattern',
    ],
    [
      'another media type',
      ({ headers }) => ({ headers: { ...headers, 'Content-Type': 'text/json' } }),
      '200 has the media type text/json',
    ],
  ])('is sent, counted and logged: %s', async (_what, wrong, violation) => {
    change = wrong
    const before = violations().length

    expect((await alice.call('getConversation', { path })).status).toBe(200)

    const [line, ...more] = violations().slice(before)
    expect(more).toEqual([])
    expect(line).toMatchObject({ operationId: 'getConversation', count: before + 1 })
    expect(line!['violation']).toContain(violation)
  })

  test.each(['cursor-mismatch', 'registration-closed', 'refresh-token-reused'] as const)(
    'is sent, counted and logged with the undocumented problem %s',
    async (code) => {
      change = () => {
        throw new Problem(code)
      }
      const before = violations().length

      await alice.refused(code, 'getConversation', { path })

      expect(violations().slice(before)).toMatchObject([{ operationId: 'getConversation' }])
    },
  )
})

describe('a response that keeps the contract', () => {
  test('is not logged as a violation, with any status', async () => {
    const before = violations().length
    const { headers } = await alice.expect(200, 'getConversation', { path })
    const version = { 'If-None-Match': headers['etag']! }
    await alice.expect(304, 'getConversation', { path, headers: version })
    const address = alice.urlOf('getConversation', { path })
    await send(address, { method: 'HEAD', headers: alice.credentials })
    await send(address, { headers: { ...alice.credentials, Accept: 'image/png' } })
    await send(address, { method: 'PUT' })
    await send(`${server.url}/nothing`)
    await send(`${server.url}/chat`, { method: 'POST' })

    await send(`${server.url}/docs`)

    expect(violations().slice(before)).toEqual([])
  })
})

describe('a request body', () => {
  test('is refused with 408 and the usual headers when it has not arrived after 30 seconds', async () => {
    const upload = request(alice.urlOf('createConversation'), {
      method: 'POST',
      headers: {
        ...alice.credentials,
        'Content-Type': 'application/json',
        'Content-Length': 100,
      },
    })
    upload.on('error', () => undefined).write('{"title":')
    const responded = once(upload, 'response')
    await once(server.parley.server, 'request')

    await server.clock.advance(29_999)

    expect(upload.writableFinished).toBe(false)

    await server.clock.advance(1)
    const [response] = (await responded) as [IncomingMessage]
    expect(response.statusCode).toBe(408)
    expect(response.headers).toMatchObject({ connection: 'close' })
    expect(response.headers).toHaveProperty('ratelimit')

    response.resume()
    await once(response, 'close')
  })
})
