/*
 * The smallest document that keeps every rule of the contract, and a way to change it in one place:
 * what a rule or the change gate says is then about that change alone.
 */

/** A JSON object of which a test knows the shape. */
export type Json = { [key: string]: unknown }

/**
 * Changes by place: names from the root, apart by spaces; `undefined` removes. A first name that is
 * an operationId or a section of the components stands for its place.
 */
export type Edits = Readonly<Record<string, unknown>>

const schema = (name: string) => ({ $ref: `#/components/schemas/${name}` })
const response = (name: string) => ({ $ref: `#/components/responses/${name}` })
const TIME = '2026-11-23T09:00:00.000Z'
const ID = '0199b3a4-9b2c-7f3e-8a41-5d2f9c7b6a10'
const THING = { id: ID, name: 'Spoon', kind: 'small', createdAt: TIME }
const SECTIONS = ['headers', 'parameters', 'responses', 'schemas', 'securitySchemes']

const headerNames = {
  'X-Request-Id': 'RequestId',
  'Cache-Control': 'NoStore',
  'RateLimit-Policy': 'RateLimitPolicy',
  RateLimit: 'RateLimit',
  'Retry-After': 'RetryAfter',
  'WWW-Authenticate': 'WwwAuthenticate',
  Location: 'Location',
}
const COUNTED = ['X-Request-Id', 'Cache-Control', 'RateLimit-Policy', 'RateLimit'] as const

function headers(...more: (keyof typeof headerNames)[]): Json {
  const names = [...COUNTED, ...more]
  return Object.fromEntries(
    names.map((name) => [name, { $ref: `#/components/headers/${headerNames[name]}` }]),
  )
}

function json(name: string, example: unknown): Json {
  return { 'application/json': { schema: schema(name), example } }
}

function problem(status: number, code: string, more: Json = headers()): Json {
  return {
    description: code,
    headers: more,
    content: {
      'application/problem+json': { schema: schema('Problem'), example: { status, code } },
    },
  }
}

const FAILURES = {
  '400': response('BadRequest'),
  '401': response('Unauthorized'),
  '403': response('Forbidden'),
}
const LATE_FAILURES = {
  '406': response('NotAcceptable'),
  '429': response('QuotaExceeded'),
  '500': response('Internal'),
}
const thingId = {
  name: 'thingId',
  in: 'path',
  required: true,
  description: 'The thing.',
  schema: { type: 'string', format: 'uuid', maxLength: 36 },
  example: ID,
}

function operation(operationId: string, more: Json): Json {
  return {
    operationId,
    tags: ['things'],
    summary: operationId,
    description: operationId,
    'x-scopes': ['things'],
    'x-rate-limit': ['user'],
    ...more,
  }
}

const paths = () => ({
  '/things': {
    get: operation('listThings', {
      parameters: [
        {
          name: 'limit',
          in: 'query',
          description: 'How many.',
          schema: { type: 'integer', minimum: 1, maximum: 100, default: 20 },
          example: 20,
        },
      ],
      responses: {
        '200': {
          description: 'Things.',
          headers: headers(),
          content: json('ThingPage', { data: [THING] }),
        },
        ...FAILURES,
        ...LATE_FAILURES,
      },
    }),
    post: operation('createThing', {
      'x-problems': ['name-taken'],
      'x-idempotent': true,
      requestBody: {
        required: true,
        description: 'The thing.',
        content: json('ThingCreation', { name: 'Spoon' }),
      },
      responses: {
        '201': {
          description: 'Made.',
          headers: headers('Location'),
          content: json('Thing', THING),
        },
        ...FAILURES,
        ...LATE_FAILURES,
        '408': response('RequestTimeout'),
        '409': response('NameTaken'),
        '413': response('PayloadTooLarge'),
        '415': response('UnsupportedMediaType'),
      },
    }),
  },
  '/things/{thingId}': {
    get: operation('getThing', {
      parameters: [thingId],
      responses: {
        '200': { description: 'It.', headers: headers(), content: json('Thing', THING) },
        ...FAILURES,
        ...LATE_FAILURES,
      },
    }),
    delete: operation('deleteThing', {
      deprecated: true,
      'x-deprecated-since': '2026-01-01',
      'x-sunset': '2026-06-01',
      parameters: [thingId],
      responses: {
        '204': { description: 'Gone.', headers: headers() },
        ...FAILURES,
        '429': response('QuotaExceeded'),
        '500': response('Internal'),
      },
    }),
  },
  '/events': {
    get: operation('streamEvents', {
      tags: ['events'],
      responses: {
        '200': {
          description: 'Events.',
          headers: headers(),
          content: {
            'text/event-stream': {
              schema: schema('ThingEvent'),
              example: { type: 'made', thing: THING },
            },
          },
        },
        ...FAILURES,
        ...LATE_FAILURES,
      },
    }),
  },
})

const responses = () => ({
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

const schemas = () => ({
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

/** A fresh copy of the smallest document. */
export function tinyContract(): Json {
  return structuredClone({
    openapi: '3.0.3',
    info: {
      title: 'Tiny',
      version: '1.0.0',
      description: [
        '| status | code | meaning |',
        '|---|---|---|',
        '| 400 | `invalid-request` | Wrong. |',
        '| 409 | `name-taken` | Taken. |',
        '| 410 | `too-late` | Late. |',
        '| 500 | `internal` | Ours. |',
      ].join('\n'),
      license: { name: 'MIT', url: 'https://opensource.org/license/mit' },
    },
    servers: [{ url: '/api/v1' }],
    security: [{ bearer: [] }, { apiKey: [] }],
    tags: [
      { name: 'things', description: 'Things.' },
      { name: 'events', description: 'Events.' },
    ],
    paths: paths(),
    components: {
      headers: {
        Location: header({ type: 'string', maxLength: 100 }),
        NoStore: header({ type: 'string', enum: ['no-store'] }),
        RateLimit: header({ type: 'string', maxLength: 100 }),
        RateLimitPolicy: header({ type: 'string', maxLength: 100 }),
        RequestId: header({ type: 'string', maxLength: 128 }),
        RetryAfter: header({ type: 'integer', minimum: 1, maximum: 3600 }),
        WwwAuthenticate: header({ type: 'string', maxLength: 100 }),
      },
      responses: responses(),
      schemas: schemas(),
      securitySchemes: {
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key', description: 'A key.' },
        bearer: { type: 'http', scheme: 'bearer', description: 'A token.' },
      },
    },
  })
}

/** The smallest document with these changes. */
export function edited(edits: Edits): Json {
  const document = tinyContract()
  for (const [place, value] of Object.entries(edits)) {
    const keys = keysOf(document, place.split(' '))
    const parent = at(document, keys.slice(0, -1))
    const last = keys.at(-1)!
    if (value === undefined) Reflect.deleteProperty(parent, last)
    else parent[last] = structuredClone(value)
  }
  return document
}

/** What stands at a place, as `edited` reads places. */
export function valueAt(document: Json, place: string): unknown {
  return at(document, keysOf(document, place.split(' ')))
}

function keysOf(document: Json, [first, ...rest]: string[]): string[] {
  if (SECTIONS.includes(first!)) return ['components', first!, ...rest]
  for (const [path, item] of Object.entries(document['paths'] as Record<string, Json>)) {
    for (const [method, operation] of Object.entries(item)) {
      const { operationId } = operation as { operationId?: string }
      if (operationId === first) return ['paths', path, method, ...rest]
    }
  }
  return [first!, ...rest]
}

function at(document: Json, keys: string[]): Json {
  return keys.reduce<Json>((thing, key) => {
    const next = thing[key]
    if (typeof next !== 'object' || next === null) throw new Error(`Nothing at ${keys.join(' ')}.`)
    return next as Json
  }, document)
}
