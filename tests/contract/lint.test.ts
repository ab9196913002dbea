import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { packageRoot } from '../../src/lib/package-root.ts'
import { type Edits, edited, tinyContract, valueAt } from '../support/contract/tiny-contract.ts'

/*
 * Every rule is proved by a document that breaks it in one place. They are linted by the very
 * command and configuration of `npm run check`, all in one run.
 */

const inline = {
  type: 'object',
  additionalProperties: false,
  properties: { on: { type: 'boolean' } },
}
const uuid = { type: 'string', format: 'uuid', maxLength: 36 }
const time = { type: 'string', format: 'date-time', maxLength: 24 }
const problemAs = (type: string, schema = 'Problem') => ({
  [type]: { schema: { $ref: `#/components/schemas/${schema}` }, example: {} },
})
const line = { type: 'string', maxLength: 5 }
const LATIN = String.raw`^[ -~\u0080-\u00ff]*$`
const NO_CONTROL = String.raw`^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$`
const thing = valueAt(tinyContract(), 'schemas Thing')
const get = valueAt(tinyContract(), 'getThing')
const page = valueAt(tinyContract(), 'listThings responses 200 content application/json')

/** Each line: the rule that must complain, what is done to the document, and where. */
const BREAKS: readonly [rule: string, what: string, edits: Edits][] = [
  ['closed-objects', 'open by omission', { 'schemas Thing additionalProperties': undefined }],
  ['closed-objects', 'open by word', { 'schemas Thing additionalProperties': true }],
  ['no-free-form-objects', 'no properties', { 'schemas ThingGone properties': {} }],
  ['no-inline-objects', 'as a property', { 'schemas Thing properties extra': inline }],
  ['no-inline-objects', 'as items', { 'schemas ThingPage properties data items': inline }],
  [
    'no-inline-objects',
    'as a body',
    { 'getThing responses 200 content application/json schema': inline },
  ],
  ['typed-schemas', 'no type', { 'schemas Thing properties name': { maxLength: 5 } }],
  ['typed-schemas', 'a list of types', { 'schemas Thing properties name type': ['string'] }],
  ['no-nullable', 'nullable', { 'schemas Thing properties name nullable': true }],
  ['no-nullable', 'needless', { 'schemas Thing properties name nullable': false }],
  ['no-composition', 'anyOf', { 'schemas ThingGone anyOf': [{ type: 'object' }] }],
  ['no-composition', 'allOf', { 'schemas ThingGone allOf': [{ type: 'object' }] }],
  ['no-composition', 'not', { 'schemas ThingGone not': { type: 'string' } }],
  ['discriminated-one-of', 'no discriminator', { 'schemas ThingEvent discriminator': undefined }],
  [
    'discriminated-one-of',
    'a member that is not mapped',
    { 'schemas ThingEvent discriminator mapping gone': undefined },
  ],
  [
    'discriminated-one-of',
    'a key that is not the value',
    { 'schemas ThingGone properties type enum': ['lost'] },
  ],
  [
    'discriminated-one-of',
    'two values',
    { 'schemas ThingGone properties type enum': ['gone', 'lost'] },
  ],
  ['discriminated-one-of', 'not required', { 'schemas ThingGone required': [] }],
  ['bounded-numbers', 'no maximum', { 'schemas Thing properties weight maximum': undefined }],
  ['bounded-numbers', 'no minimum', { 'schemas Thing properties weight minimum': undefined }],
  ['bounded-numbers', 'beyond 2^53', { 'schemas Thing properties weight maximum': 2 ** 53 }],
  ['bounded-strings', 'a property', { 'schemas Thing properties name maxLength': undefined }],
  ['bounded-strings', 'a header', { 'headers Location schema maxLength': undefined }],
  ['bounded-arrays', 'no maxItems', { 'schemas ThingPage properties data maxItems': undefined }],
  ['single-lines', 'no pattern', { 'schemas ThingCreation properties name pattern': undefined }],
  ['single-lines', 'a line end', { 'schemas ThingCreation properties name pattern': '^[^ ]' }],
  ['single-lines', 'at the end', { 'schemas ThingCreation properties name pattern': '^[a-z]' }],
  ['single-lines', 'a C1 control', { 'schemas ThingCreation properties name pattern': LATIN }],
  ['single-lines', 'an override', { 'schemas ThingCreation properties name pattern': NO_CONTROL }],
  ['single-lines', 'items', { 'schemas ThingCreation properties tags items pattern': undefined }],
  ['single-lines', 'no example', { 'schemas ThingCreation properties name pattern': '^a@a$' }],
  ['single-lines', 'a parameter', { 'listThings parameters 0 schema': { ...line, pattern: '' } }],
  ['camel-case-names', 'a property', { 'schemas Thing properties some_name': { type: 'boolean' } }],
  ['camel-case-names', 'a parameter', { 'listThings parameters 0 name': 'page-limit' }],
  ['schema-names', 'camelCase', { 'schemas newThing': thing }],
  ['constructor-names', 'New', { 'schemas NewThing': thing }],
  ['uuid-ids', 'a property', { 'schemas Thing properties ownerId format': undefined }],
  ['uuid-ids', 'a parameter', { 'getThing parameters 0 schema format': undefined }],
  ['times-end-in-at', 'another name', { 'schemas ThingCreation properties birthday': time }],
  ['times-end-in-at', 'no time', { 'schemas ThingCreation properties madeAt': uuid }],
  ['timestamps-in-answers', 'another form', { 'schemas Thing properties createdAt': time }],
  ['verb-first', 'no verb', { 'getThing operationId': 'thing' }],
  ['verb-first', 'no camelCase', { 'getThing operationId': 'get_thing' }],
  ['expected-responses', '400', { 'getThing responses 400': undefined }],
  ['expected-responses', '500', { 'getThing responses 500': undefined }],
  ['expected-responses', '401, secured', { 'getThing responses 401': undefined }],
  ['expected-responses', '403, secured', { 'getThing responses 403': undefined }],
  ['expected-responses', '406, with an answer', { 'getThing responses 406': undefined }],
  ['expected-responses', '408, with a body', { 'createThing responses 408': undefined }],
  ['expected-responses', '413, with a body', { 'createThing responses 413': undefined }],
  ['expected-responses', '415, with a body', { 'createThing responses 415': undefined }],
  ['expected-responses', '429, limited', { 'getThing responses 429': undefined }],
  ['response-headers', 'id', { 'getThing responses 200 headers X-Request-Id': undefined }],
  ['response-headers', 'cache', { 'getThing responses 200 headers Cache-Control': undefined }],
  ['response-headers', 'limit', { 'getThing responses 200 headers RateLimit': undefined }],
  [
    'response-headers',
    'limit policy',
    { 'getThing responses 200 headers RateLimit-Policy': undefined },
  ],
  ['response-headers', '401', { 'responses Unauthorized headers WWW-Authenticate': undefined }],
  ['response-headers', '429', { 'responses QuotaExceeded headers Retry-After': undefined }],
  ['response-headers', '201', { 'createThing responses 201 headers Location': undefined }],
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
  ['problem-responses', 'no body', { 'responses BadRequest content': undefined }],
  ['one-media-type', 'two answers', { 'getThing responses 200 content text/event-stream': page }],
  [
    'one-media-type',
    'two kinds of success',
    { 'getThing responses 202': valueAt(tinyContract(), 'streamEvents responses 200') },
  ],
  ['one-media-type', 'two requests', { 'createThing requestBody content text/plain': page }],
  [
    'media-examples',
    'an answer',
    { 'getThing responses 200 content application/json example': undefined },
  ],
  [
    'media-examples',
    'a request',
    { 'createThing requestBody content application/json example': undefined },
  ],
  ['components-in-order', 'a late schema', { 'schemas Alpha': thing }],
  ['paths-in-tag-order', 'tags that stand apart', { 'paths /others': { get } }],
  ['problem-table', 'a code too few', { 'schemas ProblemCode enum': ['invalid-request'] }],
  [
    'problem-table',
    'a code that is not explained',
    {
      'schemas ProblemCode enum': ['invalid-request', 'internal', 'name-taken', 'too-late', 'new'],
    },
  ],
  ['problem-table', 'an operation’s own', { 'getThing x-problems': ['lost'] }],
]

/** Built-in rules that must stay on, whatever the order of the sets. */
const BUILT_IN: readonly [rule: string, what: string, edits: Edits][] = [
  ['no-unused-components', 'a schema', { 'schemas Unused': thing }],
  ['operation-singular-tag', 'two tags', { 'getThing tags': ['things', 'events'] }],
  ['operation-tag-defined', 'a tag of no section', { 'getThing tags': ['stray'] }],
  ['operation-summary', 'no summary', { 'getThing summary': undefined }],
  ['operation-description', 'no description', { 'getThing description': undefined }],
  ['operation-operationId', 'no operationId', { 'getThing operationId': undefined }],
  ['operation-operationId-unique', 'used twice', { 'getThing operationId': 'listThings' }],
  ['parameter-description', 'no words', { 'listThings parameters 0 description': undefined }],
  ['no-unresolved-refs', 'nothing there', { 'schemas Thing properties x': { $ref: '#/no' } }],
  [
    'no-invalid-media-type-examples',
    'an example that does not fit',
    { 'getThing responses 200 content application/json example': { id: 7 } },
  ],
  [
    'no-required-schema-properties-undefined',
    'required, but not there',
    { 'schemas ThingGone required': ['type', 'lost'] },
  ],
  ['path-parameters-defined', 'not declared', { 'getThing parameters': [] }],
  ['security-defined', 'no such scheme', { 'getThing security': [{ other: [] }] }],
  ['struct', 'a key that OpenAPI lacks', { 'getThing colour': 'red' }],
]

const CASES = [
  ...BREAKS.map(([rule, what, edits]) => ({ rule: `parley/${rule}`, what, edits })),
  ...BUILT_IN.map(([rule, what, edits]) => ({ rule, what, edits })),
]

let directory: string
let complaints: Map<string, string[]>

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'parley-lint-'))
  const documents = [tinyContract(), ...CASES.map(({ edits }) => edited(edits))]
  const files = documents.map((_, index) => join(directory, `${index}.json`))
  await Promise.all(files.map((file, index) => writeFile(file, JSON.stringify(documents[index]))))
  complaints = await lint(files)
}, 60_000)

afterAll(() => rm(directory, { recursive: true }))

test('a document that keeps every rule is not complained of', () => {
  expect(complaints.get('0.json') ?? []).toEqual([])
})

test.each(CASES.map(({ rule, what }, index) => [rule, what, index] as const))(
  '%s refuses: %s',
  (rule, _, index) => {
    expect(complaints.get(`${index + 1}.json`) ?? []).toContain(rule)
  },
)

test('every rule of ours is proved, and on', async () => {
  const proved = new Set(BREAKS.map(([rule]) => rule))
  const files = await readdir(join(packageRoot, 'openapi/lint'))
  expect(files).toContain('plugin.js')

  const plugin = (await import(join(packageRoot, 'openapi/lint/plugin.js'))) as {
    default: () => { rules: { oas3: Record<string, unknown> } }
  }
  expect([...proved].sort()).toEqual(Object.keys(plugin.default().rules.oas3).sort())
})

type Problem = { ruleId: string; location: { source: { ref: string } }[] }

/** The rules that complained, by the name of the file. */
async function lint(files: string[]): Promise<Map<string, string[]>> {
  const redocly = join(packageRoot, 'node_modules/.bin/redocly')
  const settings = ['--format=json', '--max-problems=10000', '--config=redocly.yaml']
  const output = await promisify(execFile)(redocly, ['lint', ...settings, ...files], {
    cwd: packageRoot,
    maxBuffer: 64 * 1024 * 1024,
  }).catch((error: unknown) => error as { stdout: string })
  const found = new Map<string, string[]>()
  for (const { problems } of reports(output.stdout)) {
    for (const { ruleId, location } of problems) {
      const file = basename(location[0]!.source.ref)
      found.set(file, [...(found.get(file) ?? []), ruleId])
    }
  }
  return found
}

/** redocly prints one JSON object for each file, each right behind the one before. */
function reports(output: string): { problems: Problem[] }[] {
  return JSON.parse(`[${output.replaceAll(/^\}\{$/gm, '},{')}]`) as { problems: Problem[] }[]
}
