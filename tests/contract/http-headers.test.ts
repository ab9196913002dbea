import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Client } from '../support/client.ts'
import { contract } from '../support/contract/contract.ts'
import { fillPath, operations } from '../support/contract/operations.ts'
import { PUBLIC_ACCEPT } from '../support/contract/public-accept.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { createAdminResources, createUserResources, type Resources } from '../support/resources.ts'
import { send, type WireRequest } from '../support/wire/wire.ts'

/* The headers of HTTP that an operation does not name: which of them count, and for what. */

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

function ask(operationId: string, request: WireRequest = {}) {
  const operation = operations.find((one) => one.operationId === operationId)!
  const address = server.url + fillPath(operation, (name) => resources[name]!)
  const headers = { ...admin.credentials, ...request.headers }
  return send(address, { method: operation.method, ...request, headers })
}

describe('a stream and an export', () => {
  test.each([
    ['streamMessage', 'text/event-stream'],
    ['resumeStream', 'text/event-stream'],
    ['exportConversation', 'application/x-ndjson'],
    ['exportAccount', 'application/x-ndjson'],
  ])('%s answers %s to every public client', async (operationId, type) => {
    const isChat = operationId === 'streamMessage'
    const body = isChat ? { body: '{"message":"Hello!"}' } : {}
    for (const accept of [...Object.values(PUBLIC_ACCEPT), type, `${type};charset=utf-8`]) {
      const headers = { Accept: accept, ...(isChat && JSON_TYPE) }
      const answer = await ask(operationId, { headers, ...body })
      expect([accept, answer.status, answer.headers['content-type']]).toEqual([accept, 200, type])
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
  ])('%s is answered %d', async (accept, status) => {
    expect((await ask('getHealth', { headers: { Accept: accept } })).status).toBe(status)
  })

  test('may be as long and as odd as the headers may be', async () => {
    for (const accept of ['"'.repeat(8_000), 'a,'.repeat(7_000), ';'.repeat(15_000)]) {
      expect((await ask('getHealth', { headers: { Accept: accept } })).status).toBe(406)
    }
  })

  test('is not looked at where an answer has no body', async () => {
    const answer = await ask('deleteFeedback', { headers: { Accept: 'text/html' } })

    expect(answer.status).toBe(204)
  })
})

test.each(['identity', 'Identity', 'identity, identity', ''])(
  'a body whose coding is "%s" is not compressed, and is taken',
  async (coding) => {
    const headers = { ...JSON_TYPE, 'Content-Encoding': coding }

    const answer = await ask('createConversation', { headers, body: '{}' })

    expect(answer.status).toBe(201)
  },
)

describe('what no operation names changes nothing', () => {
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
  ])('%s: %s', async (name, value) => {
    const plain = await ask('listModes')

    const answer = await ask('listModes', { headers: { [name]: value } })

    expect([answer.status, answer.text]).toEqual([200, plain.text])
    for (const header of ['content-encoding', 'content-range', 'accept-ranges', 'set-cookie']) {
      expect(answer.headers).not.toHaveProperty(header)
    }
  })
})

describe('HEAD', () => {
  const acts = operations.filter(({ method, audit }) => method === 'get' && audit.length > 0)

  test('is missing where the guide says so, and nowhere else', () => {
    const { description } = contract.document.info
    const named = [...description!.matchAll(/^ *- `HEAD`[^-]*/gm)].map(([text]) => text).join('')

    expect([...named.matchAll(/`GET (\/\S+)`/g)].map(([, path]) => path).sort()).toEqual(
      acts.map(({ path }) => path).sort(),
    )
  })

  test.each(acts.map(({ operationId }) => operationId))(
    'of %s is refused, as its description says, and Allow does not name it',
    async (operationId) => {
      const { path } = acts.find((one) => one.operationId === operationId)!
      const { description } = contract.document.paths[path]!.get as { description?: string }
      expect(description).toContain('has no `HEAD`')

      const refused = await ask(operationId, { method: 'HEAD' })
      const options = await ask(operationId, { method: 'OPTIONS' })
      expect([refused.status, options.status]).toEqual([405, 204])
      for (const { headers } of [refused, options]) {
        expect(headers['allow']!.split(', ')).toContain('GET')
        expect(headers['allow']).not.toContain('HEAD')
      }
    },
  )
})
