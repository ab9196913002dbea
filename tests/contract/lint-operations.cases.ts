import { type Edits, tinyContract, valueAt } from '../support/contract/tiny-contract.ts'

const problemAs = (type: string, schema = 'Problem') => ({
  [type]: { schema: { $ref: `#/components/schemas/${schema}` }, example: {} },
})
const thing = valueAt(tinyContract(), 'schemas Thing')
const get = valueAt(tinyContract(), 'getThing')
const page = valueAt(tinyContract(), 'listThings responses 200 content application/json')

/** Rules of the plugin for operations and the whole document, as in `SCHEMA_RULES`. */
export const OPERATION_RULES: readonly [rule: string, what: string, edits: Edits][] = [
  ['verb-first', 'an operationId without a verb', { 'getThing operationId': 'thing' }],
  ['verb-first', 'an operationId in snake_case', { 'getThing operationId': 'get_thing' }],
  ['expected-responses', 'no 400', { 'getThing responses 400': undefined }],
  ['expected-responses', 'no 500', { 'getThing responses 500': undefined }],
  ['expected-responses', 'no 401 of a secured operation', { 'getThing responses 401': undefined }],
  ['expected-responses', 'no 403 of a secured operation', { 'getThing responses 403': undefined }],
  ['expected-responses', 'no 406 beside a response body', { 'getThing responses 406': undefined }],
  [
    'expected-responses',
    'no 408 beside a request body',
    { 'createThing responses 408': undefined },
  ],
  [
    'expected-responses',
    'no 413 beside a request body',
    { 'createThing responses 413': undefined },
  ],
  [
    'expected-responses',
    'no 415 beside a request body',
    { 'createThing responses 415': undefined },
  ],
  ['expected-responses', 'no 429 of a limited operation', { 'getThing responses 429': undefined }],
  [
    'response-headers',
    'no X-Request-Id',
    { 'getThing responses 200 headers X-Request-Id': undefined },
  ],
  [
    'response-headers',
    'no Cache-Control',
    { 'getThing responses 200 headers Cache-Control': undefined },
  ],
  ['response-headers', 'no RateLimit', { 'getThing responses 200 headers RateLimit': undefined }],
  [
    'response-headers',
    'no RateLimit-Policy',
    { 'getThing responses 200 headers RateLimit-Policy': undefined },
  ],
  [
    'response-headers',
    'a 401 without WWW-Authenticate',
    { 'responses Unauthorized headers WWW-Authenticate': undefined },
  ],
  [
    'response-headers',
    'a 429 without Retry-After',
    { 'responses QuotaExceeded headers Retry-After': undefined },
  ],
  [
    'response-headers',
    'a 201 without Location',
    { 'createThing responses 201 headers Location': undefined },
  ],
  [
    'problem-responses',
    'another media type',
    { 'responses BadRequest content': problemAs('application/json') },
  ],
  [
    'problem-responses',
    'another schema',
    { 'responses BadRequest content': problemAs('application/problem+json', 'ThingGone') },
  ],
  ['problem-responses', 'a missing body', { 'responses BadRequest content': undefined }],
  [
    'one-media-type',
    'two media types of a response',
    { 'getThing responses 200 content text/event-stream': page },
  ],
  [
    'one-media-type',
    'success responses of two media types',
    { 'getThing responses 202': valueAt(tinyContract(), 'streamEvents responses 200') },
  ],
  [
    'one-media-type',
    'two media types of a request',
    { 'createThing requestBody content text/plain': page },
  ],
  [
    'media-examples',
    'a response without an example',
    { 'getThing responses 200 content application/json example': undefined },
  ],
  [
    'media-examples',
    'a request without an example',
    { 'createThing requestBody content application/json example': undefined },
  ],
  ['components-in-order', 'a schema out of order', { 'schemas Alpha': thing }],
  ['paths-in-tag-order', 'paths of one tag that are not adjacent', { 'paths /others': { get } }],
  [
    'problem-table',
    'a table row without a code',
    { 'schemas ProblemCode enum': ['invalid-request'] },
  ],
  [
    'problem-table',
    'a code without a table row',
    {
      'schemas ProblemCode enum': ['invalid-request', 'internal', 'name-taken', 'too-late', 'new'],
    },
  ],
  ['problem-table', 'an unknown code of an operation', { 'getThing x-problems': ['lost'] }],
]
