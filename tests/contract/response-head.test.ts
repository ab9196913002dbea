import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Reply } from '../../src/contract/types.ts'
import { Problem } from '../../src/domain/problem.ts'
import type { Client } from '../support/client.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { send } from '../support/wire/wire.ts'

/*
 * What express-openapi-validator does not see of an answer: its headers, its media type, its
 * problem's code. The answer goes out, and the mistake is counted and logged.
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

const mistakes = () => server.logLines().filter(({ msg }) => msg === 'contract violated')

describe('an answer whose head is not what the contract promises', () => {
  test.each<[string, Change, string]>([
    [
      'a header that is not documented',
      ({ headers }) => ({ headers: { ...headers, 'X-Internal': 'db-7' } }),
      'the header x-internal is not documented',
    ],
    [
      'no header that is required',
      () => ({ headers: {} }),
      'the header content-encoding is missing',
    ],
    [
      'a header that does not fit its schema',
      ({ headers }) => ({ headers: { ...headers, ETag: 'weak' } }),
      'the header etag must match pattern',
    ],
    [
      'another media type',
      ({ headers }) => ({ headers: { ...headers, 'Content-Type': 'text/json' } }),
      '200 has the media type text/json',
    ],
  ])('(%s) goes out, is counted and is logged', async (_what, wrong, violation) => {
    change = wrong
    const before = mistakes().length
    expect((await alice.call('getConversation', { path })).status).toBe(200)

    const [line, ...more] = mistakes().slice(before)
    expect(more).toEqual([])
    expect(line).toMatchObject({ operationId: 'getConversation', count: before + 1 })
    expect(line!['violation']).toContain(violation)
  })

  test.each(['cursor-mismatch', 'registration-closed', 'refresh-token-reused'] as const)(
    '(the problem %s, which the operation does not name) is counted and logged',
    async (code) => {
      change = () => {
        throw new Problem(code)
      }
      const before = mistakes().length

      await alice.refused(code, 'getConversation', { path })

      expect(mistakes().slice(before)).toMatchObject([{ operationId: 'getConversation' }])
    },
  )
})

describe('an answer that is what the contract promises', () => {
  test('is not logged as a violation, whatever its status', async () => {
    const before = mistakes().length
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

    expect(mistakes().slice(before)).toEqual([])
  })
})

describe('a body', () => {
  test('that has not arrived after 30 seconds is refused with all that a problem has', async () => {
    const upload = request(alice.urlOf('createConversation'), {
      method: 'POST',
      headers: {
        ...alice.credentials,
        'Content-Type': 'application/json',
        'Content-Length': 100,
      },
    })
    upload.on('error', () => undefined).write('{"title":')
    const answered = once(upload, 'response')
    await once(server.parley.server, 'request')
    await server.clock.advance(29_999)
    expect(upload.writableFinished).toBe(false)

    await server.clock.advance(1)
    const [answer] = (await answered) as [IncomingMessage]
    expect(answer.statusCode).toBe(408)
    expect(answer.headers).toMatchObject({ connection: 'close' })
    expect(answer.headers).toHaveProperty('ratelimit')

    answer.resume()
    await once(answer, 'close')
  })
})
