/* Sets up a server, an administrator and the requests that operations must refuse without a trace. */

import { randomUUID } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect } from 'vitest'
import type { Policy } from '../../src/contract/policy.ts'
import type { Client } from '../support/client.ts'
import { databaseDump, fillPath } from '../support/contract/operations.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { send, type WireRequest } from '../support/wire/wire.ts'

export const LONGEST_BODY = 262_144

export const JSON_TYPE = { 'Content-Type': 'application/json' }

let testStore: TestStore

export let server: TestServer

export let alice: Client

let dumpBefore: string

beforeAll(async () => {
  testStore = await openTestStore()
  server = await startServer({ testStore })
  // An administrator, so that no request is refused for a missing scope.
  alice = await server.admin()
  await alice.expect(200, 'sendMessage', { body: { message: 'Hello!' } })
  dumpBefore = await databaseDump(testStore.database)
})

afterAll(async () => {
  // Holds for every test of the file: a refused request has changed nothing.
  expect(await databaseDump(testStore.database)).toBe(dumpBefore)
  await server.close()
  await testStore.close()
})

/** Returns a URL of the operation with random ids. */
export const urlOf = (operation: Policy, query = '') =>
  server.url + fillPath(operation, () => randomUUID()) + query

/** Sends a request to the operation with Alice's credentials. */
export function sendAsAlice(operation: Policy, request: WireRequest, query?: string) {
  const headers = { ...alice.credentials, ...request.headers }
  return send(urlOf(operation, query), { ...request, method: operation.method, headers })
}

/** Returns the rows of a table whose title is the operationId. */
export const named = (list: readonly Policy[]) =>
  list.map((operation) => ({ operationId: operation.operationId, operation }))

/** Queries that some parsers shorten or misread, with the parameter that is refused. */
export const UNKNOWN_QUERIES: [query: string, pointer: string][] = [
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

/** Returns unknown parameters whose names resemble a known one, with the parameter that is refused. */
export const disguised = (name: string): [query: string, pointer: string][] =>
  ['[]', '[__proto__]', '[constructor]', '[a]', '.a', '%20', '+'].map((ending) => [
    `${name}${ending}=1`,
    `${name}${ending.replace(/%20|\+/, ' ')}`,
  ])

type BadBody = {
  what: string
  status: number
  code: string
  requestOf: (example: Example) => WireRequest
}

type Example = Record<string, unknown>

export const text = (example: Example) => JSON.stringify(example)

/** Returns the example with this JSON as the value of its first property. */
const withText = (example: Example, json: string) => {
  const [first = ''] = Object.keys(example)
  return text({ ...example, [first]: '@' }).replace('"@"', json)
}

const withMember = (example: Example, member: string) => `${text(example).slice(0, -1)},${member}}`

export const asJson = (body: string | Buffer): WireRequest => ({ headers: JSON_TYPE, body })

const ofLength = (example: Example, length: number) =>
  withMember(example, `"pad":"${'x'.repeat(length - text(example).length - 9)}"`)

export const badBodies: BadBody[] = [
  { what: 'no body', status: 400, code: 'invalid-request', requestOf: () => ({}) },
  { what: 'an empty body', status: 400, code: 'invalid-request', requestOf: () => asJson('') },
  ...['[]', '7', 'null', '"text"', 'true'].map((body) => ({
    what: `${body} instead of an object`,
    status: 400,
    code: 'invalid-request',
    requestOf: () => asJson(body),
  })),
  ...['{', '{"a":}', '{}x', '\ufeff{}', "{'a':1}", '{"a":1,}', ' '].map((body) => ({
    what: `${JSON.stringify(body)}, which is not JSON`,
    status: 400,
    code: 'malformed-json',
    requestOf: () => asJson(body),
  })),
  {
    what: 'an unknown property',
    status: 400,
    code: 'invalid-request',
    requestOf: (example) => asJson(text({ ...example, nonsense: 1 })),
  },
  {
    what: 'the property __proto__',
    status: 400,
    code: 'invalid-request',
    requestOf: (example) => asJson(withMember(example, '"__proto__":{"admin":true}')),
  },
  {
    what: 'a repeated key',
    status: 400,
    code: 'malformed-json',
    requestOf: (example) => asJson(withMember(example, text(example).slice(1, -1))),
  },
  {
    what: 'a repeated key in another spelling',
    status: 400,
    code: 'malformed-json',
    requestOf: (example) => {
      const [[key, value]] = Object.entries(example) as [[string, unknown]]
      const escaped = `\\u${key.charCodeAt(0).toString(16).padStart(4, '0')}${key.slice(1)}`
      return asJson(withMember(example, `"${escaped}":${JSON.stringify(value)}`))
    },
  },
  {
    what: 'text with U+0000',
    status: 400,
    code: 'invalid-request',
    requestOf: (example) => asJson(withText(example, String.raw`"a\u0000b"`)),
  },
  {
    what: 'text with half of a surrogate pair',
    status: 400,
    code: 'invalid-request',
    requestOf: (example) => asJson(withText(example, String.raw`"a\ud83db"`)),
  },
  {
    what: 'text that is not UTF-8',
    status: 400,
    code: 'malformed-json',
    requestOf: (example) => asJson(Buffer.from(withText(example, '"\u00ff"'), 'latin1')),
  },
  {
    what: '33 levels of nesting',
    status: 400,
    code: 'invalid-request',
    requestOf: (example) => asJson(withMember(example, `"x":${'['.repeat(32)}${']'.repeat(32)}`)),
  },
  {
    what: '100,000 levels of nesting',
    status: 400,
    code: 'invalid-request',
    requestOf: () => asJson('['.repeat(100_000)),
  },
  {
    what: '256 kB and one byte with a Content-Length',
    status: 413,
    code: 'payload-too-large',
    requestOf: (example) => asJson(ofLength(example, LONGEST_BODY + 1)),
  },
  {
    what: '256 kB and one byte in chunks',
    status: 413,
    code: 'payload-too-large',
    requestOf: (example) => ({ ...asJson(ofLength(example, LONGEST_BODY + 1)), chunked: true }),
  },
  {
    what: '256 kB with an unknown property, which are not too large,',
    status: 400,
    code: 'invalid-request',
    requestOf: (example) => asJson(ofLength(example, LONGEST_BODY)),
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
    requestOf: (example: Example) => ({ headers: { 'Content-Type': type }, body: text(example) }),
  })),
  ...['gzip', 'identity, gzip', 'br'].map((coding) => ({
    what: `the coding ${coding}`,
    status: 415,
    code: 'unsupported-media-type',
    requestOf: (example: Example) => ({
      headers: { ...JSON_TYPE, 'Content-Encoding': coding },
      body: text(example),
    }),
  })),
  {
    what: 'a body without a media type',
    status: 415,
    code: 'unsupported-media-type',
    requestOf: (example) => ({ body: text(example) }),
  },
  {
    what: 'a compressed body',
    status: 415,
    code: 'unsupported-media-type',
    requestOf: (example) => ({
      headers: { ...JSON_TYPE, 'Content-Encoding': 'gzip' },
      body: gzipSync(text(example)),
    }),
  },
]
