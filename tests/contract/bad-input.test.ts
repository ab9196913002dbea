import { randomUUID } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Policy } from '../../src/contract/policy.ts'
import type { Client } from '../support/client.ts'
import {
  everythingIn,
  exampleBody,
  fill,
  operations,
  parametersOf,
} from '../support/contract/operations.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { PUBLIC_ACCEPT } from '../support/contract/public-accept.ts'
import { send, sendBytes, type WireRequest } from '../support/wire/wire.ts'

const LONGEST_BODY = 262_144
const JSON_TYPE = { 'Content-Type': 'application/json' }

let testStore: TestStore
let server: TestServer
let alice: Client
let before: string
beforeAll(async () => {
  testStore = await openTestStore()
  server = await startServer({ testStore })
  // Somebody who may do everything, so that nothing is refused for want of a scope.
  alice = await server.admin()
  await alice.expect(200, 'sendMessage', { body: { message: 'Hello!' } })
  before = await everythingIn(testStore.database)
})
afterAll(async () => {
  // The last word on every test above: whatever was refused has left no trace.
  expect(await everythingIn(testStore.database)).toBe(before)
  await server.close()
  await testStore.close()
})

const somewhere = (operation: Policy, query = '') =>
  server.url + fill(operation, () => randomUUID()) + query

function asAlice(operation: Policy, odd: WireRequest, query?: string) {
  const headers = { ...alice.credentials, ...odd.headers }
  return send(somewhere(operation, query), { ...odd, method: operation.method, headers })
}

const named = (list: readonly Policy[]) =>
  list.map((operation) => ({ operationId: operation.operationId, operation }))
const secured = named(operations.filter(({ auth }) => auth === 'required' || auth === 'session'))
const withBody = named(operations.filter(({ hasBody }) => hasBody))
const withIds = named(operations.filter((one) => parametersOf(one).length > 0))
const withAnswer = named(
  operations.filter(({ replies }) => [...replies.values()].some((type) => type !== undefined)),
)

describe.each(secured)('$operationId', ({ operation }) => {
  test('asks for a credential before it looks at anything else', async () => {
    const odd = { method: operation.method, headers: JSON_TYPE, body: '{' }
    const answer = await send(somewhere(operation, '?nonsense=%00'), odd)
    expect(answer.status).toBe(401)
    expect(answer.problem().code).toBe('unauthenticated')
    expect(answer.headers['www-authenticate']).toBe('Bearer realm="parley"')
  })

  test.each([
    ['Basic YWRhOmFkYQ=='],
    ['Bearer'],
    ['Bearer a b'],
    ['Bearer junk'],
    ['Basic bearer junk'],
  ])('refuses the credential %s as invalid', async (authorization) => {
    const headers = { Authorization: authorization }
    const answer = await send(somewhere(operation), { method: operation.method, headers })
    expect(answer.status).toBe(401)
    expect(answer.problem().code).toBe('token-invalid')
    expect(answer.headers['www-authenticate']).toMatch(
      /^Bearer realm="parley", error="invalid_token"/,
    )
  })

  test('refuses a token without the scopes that it needs', async () => {
    const { sessionId } = alice.identity
    const profile = await alice.expect(200, 'getProfile')
    const { token } = await server.parley.deps.accessTokens.issue({
      subject: profile.body.id,
      sessionId,
      scopes: [],
    })
    if (operation.scopes.length === 0) return
    const headers = { Authorization: `Bearer ${token}` }
    const answer = await send(somewhere(operation), { method: operation.method, headers })
    expect(answer.status).toBe(403)
    expect(answer.problem().code).toBe('insufficient-scope')
  })
})

describe.each(named(operations))('$operationId', ({ operation }) => {
  test('refuses an unknown query parameter and names it', async () => {
    const body = operation.hasBody ? JSON.stringify(exampleBody(operation)) : undefined
    const odd = body === undefined ? {} : { headers: JSON_TYPE, body }
    const answer = await asAlice(operation, odd, '?nonsense=1')
    expect(answer.status).toBe(400)
    const place = { in: 'query', pointer: 'nonsense', code: 'unknown' }
    expect(answer.problem().errors).toEqual([expect.objectContaining(place)])
  })

  test('refuses every parameter that it does not name, however it is written', async () => {
    const names = [...operation.queries.keys()]
    const odd = operation.hasBody ? asJson(text(exampleBody(operation))) : {}
    for (const [query, pointer] of [...UNKNOWN, ...names.flatMap(disguised)]) {
      const answer = await asAlice(operation, odd, `?${query}`)
      expect([query, answer.status]).toEqual([query, 400])
      const place = { in: 'query', pointer, code: 'unknown' }
      expect(answer.problem().errors).toContainEqual(expect.objectContaining(place))
    }
  })

  test('refuses a parameter that is given twice, in two spellings too', async () => {
    for (const name of operation.queries.keys()) {
      const escaped = `%${name.charCodeAt(0).toString(16)}${name.slice(1)}`
      for (const query of [`${name}=1&${name}=2`, `${name}=1&${escaped}=1`]) {
        const answer = await asAlice(operation, {}, `?${query}`)
        const place = { in: 'query', pointer: name, code: 'duplicate' }
        expect(answer.problem().errors).toEqual([expect.objectContaining(place)])
      }
    }
  })

  test.each(['%00', '%ff', '%ed%a0%80', '%zz', '%'])('refuses %s in the query', async (escape) => {
    const answer = await asAlice(operation, {}, `?q=${escape}`)
    expect(answer.status).toBe(400)
    expect(answer.problem().code).toBe('invalid-request')
  })
})

describe.each(withIds)('$operationId', ({ operation }) => {
  test.each(['1', 'null', '..%2f', randomUUID().slice(1), `${randomUUID()}%20`, '%F0%9F%92%A9'])(
    'refuses %s, which is no UUID',
    async (id) => {
      const address = server.url + fill(operation, () => id)
      const headers = { ...alice.credentials, ...JSON_TYPE }
      const body = operation.hasBody ? JSON.stringify(exampleBody(operation)) : ''
      const answer = await send(address, { method: operation.method, headers, body })
      expect(answer.status).toBe(400)
      const place = { in: 'path', pointer: parametersOf(operation)[0] }
      expect(answer.problem().errors?.[0]).toMatchObject(place)
    },
  )

  test.each(['%00', '%ff', '%zz', '%'])('refuses %s in the path', async (id) => {
    const address = server.url + fill(operation, () => id)
    const answer = await send(address, { method: operation.method, headers: alice.credentials })
    expect(answer.status).toBe(400)
    expect(answer.problem().code).toBe('invalid-request')
    // A path that cannot be decoded belongs to no operation, so it is not free of charge.
    const isCounted = operation.rateLimit.length > 0 || id !== '%00'
    expect('ratelimit' in answer.headers).toBe(isCounted)
  })
})

describe.each(withAnswer)('$operationId', ({ operation }) => {
  test.each([
    'text/html',
    'application/json;q=0',
    '*/*;q=0',
    'text/*;q=0, application/*;q=0, */*;q=0.0',
  ])('refuses a caller who accepts neither what it answers nor JSON: %s', async (accept) => {
    const answer = await asAlice(operation, { headers: { Accept: accept } })
    expect(answer.status).toBe(406)
    expect(answer.problem().code).toBe('not-acceptable')
  })

  test('takes the Accept of every public client', async () => {
    for (const accept of Object.values(PUBLIC_ACCEPT)) {
      // What comes after `Accept` refuses the query.
      const answer = await asAlice(operation, { headers: { Accept: accept } }, '?nonsense=1')
      expect([accept, answer.status]).toEqual([accept, 400])
    }
  })
})

/** Queries that parsers shorten or take for something else, and the name that is refused. */
const UNKNOWN: [query: string, pointer: string][] = [
  ['__proto__=1', '__proto__'],
  ['constructor', 'constructor'],
  ['nonsense[__proto__]=1', 'nonsense[__proto__]'],
  ['nonsense[constructor]=1', 'nonsense[constructor]'],
  ['%5B=1', '['],
  ['%6eonsense=1', 'nonsense'],
  ['non+sense=1', 'non sense'],
  ['=1', ''],
  ['?nonsense=1', '?nonsense'],
  ['a;nonsense=1', 'a;nonsense'],
  [`${'&'.repeat(1_500)}nonsense=1`, 'nonsense'],
  [`${'&'.repeat(15_000)}nonsense=1`, 'nonsense'],
]

/** A parameter that there is, as a name that there is not. */
const disguised = (name: string): [query: string, pointer: string][] =>
  ['[]', '[__proto__]', '[constructor]', '[a]', '.a', '%20', '+'].map((ending) => [
    `${name}${ending}=1`,
    `${name}${ending.replace(/%20|\+/, ' ')}`,
  ])

type BadBody = {
  what: string
  status: number
  code: string
  odd: (example: Example) => WireRequest
}
type Example = Record<string, unknown>

const text = (example: Example) => JSON.stringify(example)
/** The example with other text in its first property, written as the JSON that is given. */
const withText = (example: Example, json: string) => {
  const [first = ''] = Object.keys(example)
  return text({ ...example, [first]: '@' }).replace('"@"', json)
}
const withMember = (example: Example, member: string) => `${text(example).slice(0, -1)},${member}}`
const asJson = (body: string | Buffer): WireRequest => ({ headers: JSON_TYPE, body })
const ofLength = (example: Example, length: number) =>
  withMember(example, `"pad":"${'x'.repeat(length - text(example).length - 9)}"`)

const badBodies: BadBody[] = [
  { what: 'no body', status: 400, code: 'invalid-request', odd: () => ({}) },
  { what: 'an empty body', status: 400, code: 'invalid-request', odd: () => asJson('') },
  ...['[]', '7', 'null', '"text"', 'true'].map((body) => ({
    what: `${body} in the place of an object`,
    status: 400,
    code: 'invalid-request',
    odd: () => asJson(body),
  })),
  ...['{', '{"a":}', '{}x', '\ufeff{}', "{'a':1}", '{"a":1,}', ' '].map((body) => ({
    what: `${JSON.stringify(body)}, which is no JSON`,
    status: 400,
    code: 'malformed-json',
    odd: () => asJson(body),
  })),
  {
    what: 'an unknown property',
    status: 400,
    code: 'invalid-request',
    odd: (example) => asJson(text({ ...example, nonsense: 1 })),
  },
  {
    what: '__proto__',
    status: 400,
    code: 'invalid-request',
    odd: (example) => asJson(withMember(example, '"__proto__":{"admin":true}')),
  },
  {
    what: 'a key twice',
    status: 400,
    code: 'malformed-json',
    odd: (example) => asJson(withMember(example, text(example).slice(1, -1))),
  },
  {
    what: 'a key twice in two spellings',
    status: 400,
    code: 'malformed-json',
    odd: (example) => {
      const [[key, value]] = Object.entries(example) as [[string, unknown]]
      const escaped = `\\u${key.charCodeAt(0).toString(16).padStart(4, '0')}${key.slice(1)}`
      return asJson(withMember(example, `"${escaped}":${JSON.stringify(value)}`))
    },
  },
  {
    what: 'U+0000',
    status: 400,
    code: 'invalid-request',
    odd: (example) => asJson(withText(example, String.raw`"a\u0000b"`)),
  },
  {
    what: 'half of a surrogate pair',
    status: 400,
    code: 'invalid-request',
    odd: (example) => asJson(withText(example, String.raw`"a\ud83db"`)),
  },
  {
    what: 'bytes that are not UTF-8',
    status: 400,
    code: 'malformed-json',
    odd: (example) => asJson(Buffer.from(withText(example, '"\u00ff"'), 'latin1')),
  },
  {
    what: 'nesting 33 deep',
    status: 400,
    code: 'invalid-request',
    odd: (example) => asJson(withMember(example, `"x":${'['.repeat(32)}${']'.repeat(32)}`)),
  },
  {
    what: 'nesting 100,000 deep',
    status: 400,
    code: 'invalid-request',
    odd: () => asJson('['.repeat(100_000)),
  },
  {
    what: '256 kB and a byte, announced',
    status: 413,
    code: 'payload-too-large',
    odd: (example) => asJson(ofLength(example, LONGEST_BODY + 1)),
  },
  {
    what: '256 kB and a byte, in chunks',
    status: 413,
    code: 'payload-too-large',
    odd: (example) => ({ ...asJson(ofLength(example, LONGEST_BODY + 1)), chunked: true }),
  },
  {
    what: '256 kB of the wrong shape, which is not too large',
    status: 400,
    code: 'invalid-request',
    odd: (example) => asJson(ofLength(example, LONGEST_BODY)),
  },
  ...[
    'text/plain',
    'application/json; x=1',
    'application/json; charset=latin1',
    'application/jsonp',
    'application/merge-patch+json',
    'multipart/form-data; boundary=x',
    'nonsense',
  ].map((type) => ({
    what: `the media type ${type}`,
    status: 415,
    code: 'unsupported-media-type',
    odd: (example: Example) => ({ headers: { 'Content-Type': type }, body: text(example) }),
  })),
  ...['gzip', 'identity, gzip', 'br'].map((coding) => ({
    what: `the coding ${coding}`,
    status: 415,
    code: 'unsupported-media-type',
    odd: (example: Example) => ({
      headers: { ...JSON_TYPE, 'Content-Encoding': coding },
      body: text(example),
    }),
  })),
  {
    what: 'a body without a media type',
    status: 415,
    code: 'unsupported-media-type',
    odd: (example) => ({ body: text(example) }),
  },
  {
    what: 'a compressed body',
    status: 415,
    code: 'unsupported-media-type',
    odd: (example) => ({
      headers: { ...JSON_TYPE, 'Content-Encoding': 'gzip' },
      body: gzipSync(text(example)),
    }),
  },
]

describe.each(withBody)('$operationId', ({ operation }) => {
  test.each(badBodies)('refuses $what with $status $code', async ({ status, code, odd }) => {
    const answer = await asAlice(operation, odd(exampleBody(operation)))
    expect([answer.status, answer.problem().code]).toEqual([status, code])
    expect(answer.headers).toHaveProperty('ratelimit')
  })
})

describe('a body that is refused', () => {
  test('leaves nothing in the answer of what it held', async () => {
    const body = { email: 'ada@example.com', password: 'my dearest secret' }
    const broken = JSON.stringify(body).slice(0, -1)
    const login = operations.find(({ operationId }) => operationId === 'logIn')!
    const answer = await asAlice(login, { headers: JSON_TYPE, body: broken })
    expect(answer.text).not.toContain('dearest')
  })

  test.each([LONGEST_BODY + 1, 20_000_000])(
    'is answered although %d bytes of it are on their way',
    async (length) => {
      const create = operations.find(({ operationId }) => operationId === 'createConversation')!
      const body = 'x'.repeat(length)
      const announced = await asAlice(create, { headers: JSON_TYPE, body })
      expect(announced.status).toBe(413)
      const chunked = await asAlice(create, { headers: JSON_TYPE, body, chunked: true })
      expect(chunked.status).toBe(413)
    },
  )
})

describe('a query of thousands of unknown parameters', () => {
  test('is refused with the first fifty of them', async () => {
    const list = operations.find(({ operationId }) => operationId === 'listConversations')!
    const query = Array.from({ length: 2_500 }, (_, index) => `p${index}`).join('&')
    const answer = await asAlice(list, {}, `?${query}`)
    expect(answer.problem().errors).toHaveLength(50)
  })

  test('of nothing at all holds nothing that is unknown', async () => {
    const list = operations.find(({ operationId }) => operationId === 'listConversations')!
    for (const query of ['', '&', '&'.repeat(1_500), `${'&'.repeat(1_500)}limit=1&`]) {
      expect((await asAlice(list, {}, `?${query}`)).status).toBe(200)
    }
    const last = await asAlice(list, {}, `?${'&'.repeat(1_500)}limit=101`)
    expect(last.problem().errors).toEqual([expect.objectContaining({ pointer: 'limit' })])
  })
})

describe('a body whose type is said twice', () => {
  test.each([
    ['application/json', 'text/plain'],
    ['text/plain', 'application/json'],
  ])('is refused: %s, %s', async (first, second) => {
    const credentials = `Authorization: ${alice.credentials['Authorization']!}`
    const types = `Content-Type: ${first}\r\ncontent-type: ${second}`
    const head = `POST /api/v1/conversations HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${credentials}`
    const bytes = `${head}\r\n${types}\r\nContent-Length: 2\r\n\r\n{}`
    expect((await sendBytes(server.url, bytes)).problem().code).toBe('unsupported-media-type')
  })
})

describe('a body where none belongs', () => {
  test('is ignored, whatever it claims to be', async () => {
    const list = operations.find(({ operationId }) => operationId === 'listConversations')!
    const odd = { headers: { 'Content-Type': 'text/plain; x=1' }, body: 'nonsense' }
    expect((await asAlice(list, odd)).status).toBe(200)
  })
})
