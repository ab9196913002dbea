import { headers, type Json, schema } from './tiny-parts.ts'

function problem(status: number, code: string, more: Json = headers()): Json {
  return {
    description: code,
    headers: more,
    content: {
      'application/problem+json': { schema: schema('Problem'), example: { status, code } },
    },
  }
}

/** Returns the shared responses of the smallest document. */
export const responses = () => ({
  BadRequest: problem(400, 'invalid-request'),
  Forbidden: problem(403, 'invalid-request'),
  Internal: problem(500, 'internal'),
  NameTaken: problem(409, 'name-taken'),
  NotAcceptable: problem(406, 'invalid-request'),
  PayloadTooLarge: problem(413, 'invalid-request'),
  QuotaExceeded: problem(429, 'invalid-request', headers('Retry-After')),
  RequestTimeout: problem(408, 'invalid-request'),
  Unauthorized: problem(401, 'invalid-request', headers('WWW-Authenticate')),
  UnsupportedMediaType: problem(415, 'invalid-request'),
})

function object(required: string[], properties: Json): Json {
  return { type: 'object', additionalProperties: false, required, properties }
}

const text = (more: Json = {}) => ({ type: 'string', maxLength: 100, ...more })
const id = () => ({ type: 'string', format: 'uuid', maxLength: 36 })
const count = (maximum: number) => ({ type: 'integer', minimum: 0, maximum })
const oneWord = (word: string) => ({ type: 'string', enum: [word] })

/** Returns the schemas of the smallest document. */
export const schemas = () => ({
  Problem: object(['status', 'code'], { status: count(599), code: schema('ProblemCode') }),
  ProblemCode: {
    type: 'string',
    enum: ['invalid-request', 'internal', 'name-taken', 'too-late'],
    'x-grows': true,
  },
  Thing: object(['id', 'name', 'kind', 'createdAt'], {
    id: id(),
    name: text(),
    kind: { type: 'string', enum: ['small', 'large'] },
    weight: count(1000),
    ownerId: id(),
    createdAt: schema('Timestamp'),
  }),
  ThingCreation: object(['name'], {
    name: text({ minLength: 1, pattern: '^[!-~]+$' }),
    kind: { type: 'string', enum: ['small', 'large'] },
    weight: count(1000),
    tags: { type: 'array', maxItems: 5, items: text({ pattern: '^[a-z]+$' }) },
  }),
  ThingEvent: {
    oneOf: [schema('ThingGone'), schema('ThingMade')],
    discriminator: {
      propertyName: 'type',
      mapping: { gone: schema('ThingGone').$ref, made: schema('ThingMade').$ref },
    },
  },
  ThingGone: object(['type'], { type: oneWord('gone') }),
  ThingMade: object(['type', 'thing'], { type: oneWord('made'), thing: schema('Thing') }),
  ThingPage: object(['data'], {
    data: { type: 'array', maxItems: 100, items: schema('Thing') },
    nextCursor: text(),
  }),
  Timestamp: text({ format: 'date-time', maxLength: 24 }),
})

const header = (more: Json) => ({ description: 'A header.', required: true, schema: more })

/** Returns the headers of the smallest document. */
export const headerComponents = () => ({
  Location: header({ type: 'string', maxLength: 100 }),
  NoStore: header({ type: 'string', enum: ['no-store'] }),
  RateLimit: header({ type: 'string', maxLength: 100 }),
  RateLimitPolicy: header({ type: 'string', maxLength: 100 }),
  RequestId: header({ type: 'string', maxLength: 128 }),
  RetryAfter: header({ type: 'integer', minimum: 1, maximum: 3600 }),
  WwwAuthenticate: header({ type: 'string', maxLength: 100 }),
})
