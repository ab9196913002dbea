import { createHash } from 'node:crypto'
import { compare, type Comparison } from '../../scripts/contract-gate/compare.ts'
import type { ContractDocument } from '../../src/contract/document.ts'
import {
  type Edits,
  edited,
  type Json,
  tinyContract,
  valueAt,
} from '../support/contract/tiny-contract.ts'

/*
 * A comparison without its rules passes everything, so each kind of change is tried. All documents
 * of a table stand in one, each under names of its own, and redocly compares them in one run.
 */

export const TODAY = new Date('2026-11-23')

export const NAME = { type: 'string', maxLength: 100 }

const LIST = { type: 'array', maxItems: 5, items: NAME }

export const thing = valueAt(tinyContract(), 'getThing')

const parameter = (more: Json): Json => ({
  name: 'query',
  in: 'query',
  description: 'A word.',
  schema: NAME,
  ...more,
})

const withParameter = (more: Json) => ({ 'getThing parameters 1': parameter(more) })

const BODY = 'createThing requestBody content application/json schema'

type Case = [what: string, edits: Edits, before?: Edits]

export const BREAKING: Case[] = [
  ['a path is removed', { 'paths /events': undefined }],
  ['an operation is removed', { 'paths /things post': undefined }],
  ['an operation is removed on the day before its x-sunset', gone(), sunset('2026-11-24')],
  ['a deprecated operation without x-sunset is removed', gone(), sunset(undefined)],
  ['an operation gets another method', at('patch'), at('post')],
  ['put becomes post', at('post'), at('put')],
  ['a path is renamed', { 'paths /things': undefined, 'paths /stuff': thingsPath() }],
  ['an operationId is renamed', { 'getThing operationId': 'readThing' }],
  ['an operation moves to another tag', { 'getThing tags': ['events'] }],
  ['an x-sunset is brought forward', { 'deleteThing x-sunset': '2026-05-31' }],
  ['a success is removed', { 'getThing responses 200': undefined }],
  ['a failure is removed', { 'createThing responses 409': undefined }],
  ['a success is added', { 'createThing responses 202': { description: 'Later.' } }],
  ['a media type is replaced', mediaType()],
  ['a request media type is removed', { 'createThing requestBody content': {} }],
  ['a header is removed', { 'createThing responses 201 headers Location': undefined }],
  ['a header is no longer always there', { 'headers Location required': false }],
  ['a property of an answer is removed', { 'schemas Thing properties ownerId': undefined }],
  ['a property of an answer is renamed', renamed('Thing')],
  ['a property of a request is removed', { 'schemas ThingCreation properties weight': undefined }],
  ['a property of an answer becomes optional', { 'schemas Thing required': ['id'] }],
  [
    'a property of a request becomes required',
    { 'schemas ThingCreation required': ['name', 'kind'] },
  ],
  [
    'a new property of a request is required',
    {
      'schemas ThingCreation properties size': NAME,
      'schemas ThingCreation required': ['name', 'size'],
    },
  ],
  ['a value of a request is removed', { 'schemas ThingCreation properties kind enum': ['small'] }],
  ['a value of an answer is removed', { 'schemas Thing properties kind enum': ['small'] }],
  [
    'a value of a closed list in an answer is added',
    { 'schemas Thing properties kind enum': ['small', 'large', 'huge'] },
  ],
  ['a closed list of an answer becomes any text', { 'schemas Thing properties kind': NAME }],
  ['text of a request is shortened', { 'schemas ThingCreation properties name maxLength': 99 }],
  ['text of a request is lengthened', { 'schemas ThingCreation properties name minLength': 2 }],
  ['a request is given a pattern', { 'schemas ThingCreation properties kind pattern': '^s' }],
  ['a pattern of a request changes', { 'schemas ThingCreation properties name pattern': '^[^ a]' }],
  ['a number of a request is capped', { 'schemas ThingCreation properties weight maximum': 999 }],
  ['a number of a request is raised', { 'schemas ThingCreation properties weight minimum': 1 }],
  ['a list of a request is shortened', { 'schemas ThingCreation properties tags maxItems': 4 }],
  ['text of an answer is lengthened', { 'schemas Thing properties name maxLength': 101 }],
  ['a number of an answer grows', { 'schemas Thing properties weight maximum': 1001 }],
  ['a number of an answer may be negative', { 'schemas Thing properties weight minimum': -1 }],
  ['a list of an answer grows', { 'schemas ThingPage properties data maxItems': 101 }],
  ['an answer loses its format', { 'schemas Thing properties ownerId format': undefined }],
  ['a request gets a format', { 'schemas ThingCreation properties name format': 'uuid' }],
  ['a type of an answer changes', { 'schemas Thing properties name type': 'boolean' }],
  ['a type of a request changes', { 'schemas ThingCreation properties name type': 'boolean' }],
  ['an answer may be null', { 'schemas Thing properties name nullable': true }],
  ['an answer is opened', { 'schemas Thing additionalProperties': true }],
  ['a required parameter is added', withParameter({ required: true })],
  ['a parameter becomes required', withParameter({ required: true }), withParameter({})],
  ['a parameter is removed', { 'getThing parameters': [] }],
  ['a parameter is renamed', withParameter({ name: 'search' }), withParameter({})],
  [
    'a list in a query is written otherwise',
    withParameter({ schema: LIST, explode: false }),
    withParameter({ schema: LIST, explode: true }),
  ],
  ['an old place of a path goes too early', places('2026-11-24', true), places('2026-11-24')],
  ['a path loses its old places before their day', {}, places('2026-11-24')],
  ['a parameter of the path is renamed', pathParameter()],
  ['a default changes', { 'listThings parameters 0 schema default': 50 }],
  ['a default goes', { 'listThings parameters 0 schema default': undefined }],
  ['a page is capped', { 'listThings parameters 0 schema maximum': 50 }],
  ['a body becomes required', {}, { 'createThing requestBody required': false }],
  ['a body is no longer taken', { 'createThing requestBody': undefined }],
  ['an operation needs a credential', {}, { 'getThing security': [] }],
  ['an operation takes one credential less', { 'getThing security': [{ bearer: [] }] }],
  ['an operation needs another scope', { 'getThing x-scopes': ['things', 'all'] }],
  ['a key is no longer honoured', { 'createThing x-idempotent': undefined }],
  ['an event is added', { 'schemas ThingEvent oneOf 2': { $ref: '#/components/schemas/Thing' } }],
  ['a discriminator changes', { 'schemas ThingEvent discriminator propertyName': 'thing' }],
  ['a value of a discriminator is renamed', mapping()],
  [
    'a schema is renamed',
    {
      'schemas Stuff': valueAt(tinyContract(), 'schemas ThingCreation'),
      [BODY]: { $ref: '#/components/schemas/Stuff' },
      'schemas ThingCreation': undefined,
    },
  ],
]

export const HARMLESS: Case[] = [
  ['nothing', {}],
  ['a path is added', { 'paths /stuff': { get: thing } }],
  ['an operation is added', { 'paths /events put': thing }],
  ['an operation is deprecated', deprecated()],
  [
    'a deprecation is taken back',
    {
      'deleteThing deprecated': undefined,
      'deleteThing x-sunset': undefined,
      'deleteThing x-deprecated-since': undefined,
    },
  ],
  ['an x-sunset is put off', { 'deleteThing x-sunset': '2027-06-01' }],
  ['an operation is removed after its x-sunset', gone()],
  ['an operation is removed on the day of its x-sunset', gone(), sunset('2026-11-23')],
  ['an old place of a path goes on its day', places('2026-11-23', true), places('2026-11-23')],
  ['a path loses its old places after their day', {}, places('2026-11-23')],
  ['an optional property of an answer is added', { 'schemas Thing properties size': NAME }],
  [
    'a property of an answer that is always there is added',
    { 'schemas ThingGone properties size': NAME, 'schemas ThingGone required': ['type', 'size'] },
  ],
  ['an optional property of a request is added', { 'schemas ThingCreation properties size': NAME }],
  ['a property of a request becomes optional', { 'schemas ThingCreation required': [] }],
  ['a property of an answer becomes certain', certain()],
  ['an optional parameter is added', withParameter({})],
  ['a parameter becomes optional', withParameter({}), withParameter({ required: true })],
  [
    'a value of a request is added',
    { 'schemas ThingCreation properties kind enum': ['small', 'large', 'huge'] },
  ],
  ['text of a request may be longer', { 'schemas ThingCreation properties name maxLength': 101 }],
  ['text of a request may be shorter', { 'schemas ThingCreation properties name minLength': 0 }],
  [
    'a number of a request may be larger',
    { 'schemas ThingCreation properties weight maximum': 1001 },
  ],
  ['a list of a request may be longer', { 'schemas ThingCreation properties tags maxItems': 6 }],
  ['text of an answer is shorter', { 'schemas Thing properties name maxLength': 99 }],
  ['a number of an answer is smaller', { 'schemas Thing properties weight maximum': 999 }],
  ['a list of an answer is shorter', { 'schemas ThingPage properties data maxItems': 99 }],
  [
    'a failure is added',
    { 'getThing responses 404': valueAt(tinyContract(), 'responses NameTaken') },
  ],
  ['a header is added', { 'getThing responses 200 headers ETag': { schema: NAME } }],
  ['a header becomes certain', {}, { 'headers Location required': false }],
  ['a credential is no longer needed', { 'getThing security': [] }],
  ['a scope is no longer needed', { 'getThing x-scopes': [] }],
  ['a key is honoured', { 'listThings x-idempotent': true }],
  ['a body is no longer required', { 'createThing requestBody required': false }],
  ['a list that may grow has grown', grown('ProblemCode')],
  ['another limit counts', { 'getThing x-rate-limit': ['user', 'chat'] }],
  ['a description changes', { 'getThing description': 'Better words.' }],
  ['an example changes', { 'getThing responses 200 content application/json example': {} }],
]

/** What stands at the root can be tried only in a document of its own. */
export const BREAKING_ALONE: Case[] = [
  [
    'an operation answers a code that its callers cannot know',
    { 'createThing x-problems': ['name-taken', 'new'], ...grown('ProblemCode') },
  ],
  ['every operation needs another credential', { security: [{ apiKey: [] }] }],
  ['a credential is sent otherwise', { 'securitySchemes apiKey name': 'X-Key' }],
  ['the prefix changes', { servers: [{ url: '/api/v2' }] }],
  [
    'a closed list is said to grow, and grows',
    { ...grown('ProblemCode') },
    { 'schemas ProblemCode x-grows': undefined },
  ],
]

export const HARMLESS_ALONE: Case[] = [
  ['an operation answers a code that callers know', { 'getThing x-problems': ['too-late'] }],
  [
    'a new operation answers a new code',
    {
      'paths /stuff': { get: { ...(thing as Json), 'x-problems': ['new'] } },
      ...grown('ProblemCode'),
    },
  ],
  ['another credential is taken', {}, { security: [{ bearer: [] }] }],
]

export function compareAlone(edits: Edits, before: Edits = {}): Promise<Comparison> {
  const [from, to] = [edited(before), edited(edits)]
  return compare(from as never, to as never, TODAY)
}

/** Each case under names of its own, so unlike that none is taken for another, renamed. */
export async function compareAll(cases: readonly Case[]): Promise<Map<string, Comparison>> {
  const names = cases.map(([what]) => createHash('sha256').update(what).digest('hex'))
  const before = cases.map(([, , edits = {}], index) => apart(edited(edits), names[index]!))
  const after = cases.map(([, edits], index) => apart(edited(edits), names[index]!))
  const { breaks, additions, texts } = await compare(merged(before), merged(after), TODAY)
  const entries = cases.map(([what], index): [string, Comparison] => {
    const isOwn = ({ place }: { place: string }) => place.includes(names[index]!)
    return [what, { breaks: breaks.filter(isOwn), additions: additions.filter(isOwn), texts }]
  })
  return new Map(entries)
}

const OWN_SECTIONS = ['headers', 'responses', 'schemas'] as const

function apart(document: Json, name: string): ContractDocument {
  const pattern = /"#\/components\/(headers|responses|schemas)\/(\w+)"/g
  const text = JSON.stringify(document).replaceAll(pattern, `"#/components/$1/$2${name}"`)
  const copy = JSON.parse(text) as ContractDocument
  copy.paths = renameKeys(copy.paths, (path) => `/${name}${path}`)
  for (const section of OWN_SECTIONS) {
    const things = copy.components[section] as Record<string, never>
    copy.components[section] = renameKeys(things, (key) => key + name)
  }
  return copy
}

function renameKeys<T>(things: Record<string, T>, nameOf: (key: string) => string) {
  return Object.fromEntries(Object.entries(things).map(([key, value]) => [nameOf(key), value]))
}

function merged(documents: ContractDocument[]): ContractDocument {
  const all = structuredClone(documents[0]!)
  for (const { paths, components } of documents) {
    Object.assign(all.paths, paths)
    for (const section of OWN_SECTIONS) {
      Object.assign(all.components[section]!, components[section])
    }
  }
  return all
}

function gone(): Edits {
  return { 'paths /things/{thingId} delete': undefined }
}

function sunset(day: string | undefined): Edits {
  return { 'deleteThing x-sunset': day }
}

/** A path that is served at an old place too, until a day; or was. */
function places(day: string, ...isGone: true[]): Edits {
  const old = { url: '/', 'x-deprecated-since': '2026-01-01', 'x-sunset': day }
  return { 'paths /events servers': [{ url: '/api/v1' }, ...(isGone.length > 0 ? [] : [old])] }
}

/** An operation under a method. */
function at(method: string): Edits {
  return { 'paths /moved': { [method]: { ...(thing as Json), operationId: 'moveThing' } } }
}

function thingsPath(): unknown {
  return (tinyContract()['paths'] as Json)['/things']
}

function mediaType(): Edits {
  const content = valueAt(tinyContract(), 'getThing responses 200 content application/json')
  return { 'getThing responses 200 content': { 'application/cbor': content } }
}

function renamed(schema: string): Edits {
  const ownerId = valueAt(tinyContract(), `schemas ${schema} properties ownerId`)
  return {
    [`schemas ${schema} properties ownerId`]: undefined,
    [`schemas ${schema} properties ownersId`]: ownerId,
  }
}

function pathParameter(): Edits {
  const item = (tinyContract()['paths'] as Json)['/things/{thingId}']
  const text = JSON.stringify(item).replaceAll('thingId', 'stuffId')
  return {
    'paths /things/{thingId}': undefined,
    'paths /things/{stuffId}': JSON.parse(text) as unknown,
  }
}

function mapping(): Edits {
  return {
    'schemas ThingEvent discriminator mapping gone': undefined,
    'schemas ThingEvent discriminator mapping lost': '#/components/schemas/ThingGone',
    'schemas ThingGone properties type enum': ['lost'],
  }
}

function grown(schema: string): Edits {
  const values = valueAt(tinyContract(), `schemas ${schema} enum`) as string[]
  return { [`schemas ${schema} enum`]: [...values, 'new'] }
}

function deprecated(): Edits {
  return {
    'getThing deprecated': true,
    'getThing x-deprecated-since': '2026-11-23',
    'getThing x-sunset': '2027-11-23',
  }
}

function certain(): Edits {
  return { 'schemas Thing required': ['id', 'name', 'kind', 'createdAt', 'ownerId'] }
}
