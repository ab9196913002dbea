import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../support/client.ts'
import { contract } from '../support/contract/contract.ts'
import { fillPath, operations } from '../support/contract/operations.ts'
import { PUBLIC_ACCEPT } from '../support/contract/public-accept.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { createAdminResources, createUserResources, type Resources } from '../support/resources.ts'
import { send, type WireRequest } from '../support/wire/wire.ts'

/* The effect of HTTP headers that are not parameters of an operation. */

let server: TestServer
let admin: Client
let resources: Resources
beforeAll(async () => {
  server = await startServer()
  admin = await server.admin()
  resources = { ...(await createUserResources(admin)), ...(await createAdminResources(server)) }
})
afterAll(() => server.close())

const JSON_TYPE = { 'Content-Type': 'application/json' }

function call(operationId: string, request: WireRequest = {}) {
  const operation = operations.find((one) => one.operationId === operationId)!
  const address = server.url + fillPath(operation, (name) => resources[name]!)
  const headers = { ...admin.credentials, ...request.headers }
  return send(address, { method: operation.method, ...request, headers })
}

describe('Accept for a stream or an export', () => {
  test.each([
    ['streamMessage', 'text/event-stream'],
    ['resumeStream', 'text/event-stream'],
    ['exportConversation', 'application/x-ndjson'],
    ['exportAccount', 'application/x-ndjson'],
  ])('lets %s return %s to every known client library', async (operationId, type) => {
    const isChat = operationId === 'streamMessage'
    const body = isChat ? { body: '{"message":"Hello!"}' } : {}
    for (const accept of [...Object.values(PUBLIC_ACCEPT), type, `${type};charset=utf-8`]) {
      const headers = { Accept: accept, ...(isChat && JSON_TYPE) }
      const response = await call(operationId, { headers, ...body })
      expect([accept, response.status, response.headers['content-type']]).toEqual([
        accept,
        200,
        type,
      ])
    }
  })
})

describe('Accept', () => {
  test.each([
    ['', 200],
    ['*', 200],
    ['application/*', 200],
    ['text/html, application/*;q=0.1', 200],
    ['application/json;q=0, */*', 200],
    ['application/json;profile=a;q=0, application/json', 200],
    ['application/json; Q=0', 406],
    ['application/json;q=0.000', 406],
    ['application/*;q=0, */*', 406],
    ['text/*', 406],
    ['text/html;x="application/json,*/*"', 406],
    ['application/vnd.api+json', 406],
    ['nonsense', 406],
    [',;,', 406],
  ])('%s gets %d', async (accept, status) => {
    expect((await call('getHealth', { headers: { Accept: accept } })).status).toBe(status)
  })

  test('may be as long as all headers together', async () => {
    for (const accept of ['"'.repeat(8_000), 'a,'.repeat(7_000), ';'.repeat(15_000)]) {
      expect((await call('getHealth', { headers: { Accept: accept } })).status).toBe(406)
    }
  })

  test('is ignored where the response has no body', async () => {
    const response = await call('deleteFeedback', { headers: { Accept: 'text/html' } })

    expect(response.status).toBe(204)
  })
})

test.each(['identity', 'Identity', 'identity, identity', ''])(
  'the Content-Encoding "%s" is accepted',
  async (coding) => {
    const headers = { ...JSON_TYPE, 'Content-Encoding': coding }

    const response = await call('createConversation', { headers, body: '{}' })

    expect(response.status).toBe(201)
  },
)

describe('a header without a meaning for the operation', () => {
  test.each([
    ['Range', 'bytes=0-3'],
    ['If-Range', '"x"'],
    ['Accept-Encoding', 'gzip'],
    ['Accept-Encoding', 'identity;q=0'],
    ['Accept-Language', 'xx'],
    ['Accept-Charset', 'latin1'],
    ['If-Match', '"x"'],
    ['If-None-Match', '*'],
    ['If-Modified-Since', 'Thu, 01 Jan 2037 00:00:00 GMT'],
    ['If-Unmodified-Since', 'Thu, 01 Jan 1970 00:00:00 GMT'],
    ['Content-Type', 'text/plain'],
    ['Content-Encoding', 'gzip'],
    ['Content-Length', '0'],
    ['Cookie', 'a=b; __proto__=c'],
    ['TE', 'trailers'],
    ['Prefer', 'return=minimal'],
  ])('changes nothing in the response: %s: %s', async (name, value) => {
    const plain = await call('listModes')

    const response = await call('listModes', { headers: { [name]: value } })

    expect([response.status, response.text]).toEqual([200, plain.text])
    for (const header of ['content-encoding', 'content-range', 'accept-ranges', 'set-cookie']) {
      expect(response.headers).not.toHaveProperty(header)
    }
  })
})

describe('HEAD', () => {
  const withSideEffects = operations.filter(
    ({ method, audit }) => method === 'get' && audit.length > 0,
  )

  test('is missing for exactly the operations that the guide names', () => {
    const { description } = contract.document.info
    const named = [...description!.matchAll(/^ *- `HEAD`[^-]*/gm)].map(([text]) => text).join('')

    expect([...named.matchAll(/`GET (\/\S+)`/g)].map(([, path]) => path).sort()).toEqual(
      withSideEffects.map(({ path }) => path).sort(),
    )
  })

  test.each(withSideEffects.map(({ operationId }) => operationId))(
    'is refused for %s as documented and missing in Allow',
    async (operationId) => {
      const { path } = withSideEffects.find((one) => one.operationId === operationId)!
      const { description } = contract.document.paths[path]!.get as { description?: string }

      expect(description).toContain('has no `HEAD`')

      const refused = await call(operationId, { method: 'HEAD' })
      const options = await call(operationId, { method: 'OPTIONS' })
      expect([refused.status, options.status]).toEqual([405, 204])
      for (const { headers } of [refused, options]) {
        expect(headers['allow']!.split(', ')).toContain('GET')
        expect(headers['allow']).not.toContain('HEAD')
      }
    },
  )
})
