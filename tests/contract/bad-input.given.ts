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

let before: string

beforeAll(async () => {
  testStore = await openTestStore()
  server = await startServer({ testStore })
  // Somebody who may do everything, so that nothing is refused for want of a scope.
  alice = await server.admin()
  await alice.expect(200, 'sendMessage', { body: { message: 'Hello!' } })
  before = await databaseDump(testStore.database)
})

afterAll(async () => {
  // The last word on every test above: whatever was refused has left no trace.
  expect(await databaseDump(testStore.database)).toBe(before)
  await server.close()
  await testStore.close()
})

export const somewhere = (operation: Policy, query = '') =>
  server.url + fillPath(operation, () => randomUUID()) + query

export function asAlice(operation: Policy, odd: WireRequest, query?: string) {
  const headers = { ...alice.credentials, ...odd.headers }
  return send(somewhere(operation, query), { ...odd, method: operation.method, headers })
}

export const named = (list: readonly Policy[]) =>
  list.map((operation) => ({ operationId: operation.operationId, operation }))

/** Queries that parsers shorten or take for something else, and the name that is refused. */
export const UNKNOWN: [query: string, pointer: string][] = [
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
export const disguised = (name: string): [query: string, pointer: string][] =>
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

export const text = (example: Example) => JSON.stringify(example)

/** The example with other text in its first property, written as the JSON that is given. */
const withText = (example: Example, json: string) => {
  const [first = ''] = Object.keys(example)
  return text({ ...example, [first]: '@' }).replace('"@"', json)
}

const withMember = (example: Example, member: string) => `${text(example).slice(0, -1)},${member}}`

export const asJson = (body: string | Buffer): WireRequest => ({ headers: JSON_TYPE, body })

const ofLength = (example: Example, length: number) =>
  withMember(example, `"pad":"${'x'.repeat(length - text(example).length - 9)}"`)

export const badBodies: BadBody[] = [
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
