import { gzipSync } from 'node:zlib'
import type { WireRequest } from '../support/wire/wire.ts'
import { asJson, type Example, JSON_TYPE, text } from './bad-input.given.ts'

/** The bytes that a body may have. */
export const LONGEST_BODY = 262_144

type BadBody = {
  what: string
  status: number
  code: string
  requestOf: (example: Example) => WireRequest
}

/** Returns the example with this JSON as the value of its first property. */
const withText = (example: Example, json: string) => {
  const [first = ''] = Object.keys(example)
  return text({ ...example, [first]: '@' }).replace('"@"', json)
}

const withMember = (example: Example, member: string) => `${text(example).slice(0, -1)},${member}}`

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
