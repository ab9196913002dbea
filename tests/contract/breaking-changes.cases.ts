import { type Edits, type Json, tinyContract, valueAt } from '../support/contract/tiny-contract.ts'
import {
  type Case,
  GET_THING,
  grownEnum,
  LIST,
  NAME,
  removal,
  sunsetOn,
  withOldServer,
  withoutOldServer,
  withParameter,
} from './contract-edits.ts'

const CREATION_SCHEMA = 'createThing requestBody content application/json schema'
const PATHS = tinyContract()['paths'] as Json
const THINGS_PATH = PATHS['/things']

export const BREAKING: Case[] = [
  ['a path is removed', { 'paths /events': undefined }],
  ['an operation is removed', { 'paths /things post': undefined }],
  ['an operation is removed on the day before its x-sunset', removal(), sunsetOn('2026-11-24')],
  ['a deprecated operation without x-sunset is removed', removal(), sunsetOn(undefined)],
  ['the method of an operation changes', operationAt('patch'), operationAt('post')],
  ['PUT becomes POST', operationAt('post'), operationAt('put')],
  ['a path is renamed', { 'paths /things': undefined, 'paths /stuff': THINGS_PATH }],
  ['an operationId is renamed', { 'getThing operationId': 'readThing' }],
  ['an operation moves to another tag', { 'getThing tags': ['events'] }],
  ['an x-sunset is brought forward', { 'deleteThing x-sunset': '2026-05-31' }],
  ['a success response is removed', { 'getThing responses 200': undefined }],
  ['an error response is removed', { 'createThing responses 409': undefined }],
  ['a success response is added', { 'createThing responses 202': { description: 'Later.' } }],
  ['the media type of a response is replaced', replacedMediaType()],
  ['the media type of a request is removed', { 'createThing requestBody content': {} }],
  ['a response header is removed', { 'createThing responses 201 headers Location': undefined }],
  ['a response header becomes optional', { 'headers Location required': false }],
  ['a property of a response is removed', { 'schemas Thing properties ownerId': undefined }],
  ['a property of a response is renamed', renamedOwner()],
  ['a property of a request is removed', { 'schemas ThingCreation properties weight': undefined }],
  ['a property of a response becomes optional', { 'schemas Thing required': ['id'] }],
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
  [
    'an enum value of a request is removed',
    { 'schemas ThingCreation properties kind enum': ['small'] },
  ],
  ['an enum value of a response is removed', { 'schemas Thing properties kind enum': ['small'] }],
  [
    'a value is added to a closed enum of a response',
    { 'schemas Thing properties kind enum': ['small', 'large', 'huge'] },
  ],
  ['a closed enum of a response becomes free text', { 'schemas Thing properties kind': NAME }],
  [
    'the maximum length of a request string falls',
    { 'schemas ThingCreation properties name maxLength': 99 },
  ],
  [
    'the minimum length of a request string rises',
    { 'schemas ThingCreation properties name minLength': 2 },
  ],
  ['a request string gets a pattern', { 'schemas ThingCreation properties kind pattern': '^s' }],
  [
    'the pattern of a request string changes',
    { 'schemas ThingCreation properties name pattern': '^[^ a]' },
  ],
  [
    'the maximum of a request number falls',
    { 'schemas ThingCreation properties weight maximum': 999 },
  ],
  [
    'the minimum of a request number rises',
    { 'schemas ThingCreation properties weight minimum': 1 },
  ],
  [
    'the maximum length of a request array falls',
    { 'schemas ThingCreation properties tags maxItems': 4 },
  ],
  [
    'the maximum length of a response string rises',
    { 'schemas Thing properties name maxLength': 101 },
  ],
  ['the maximum of a response number rises', { 'schemas Thing properties weight maximum': 1001 }],
  ['the minimum of a response number falls', { 'schemas Thing properties weight minimum': -1 }],
  [
    'the maximum length of a response array rises',
    { 'schemas ThingPage properties data maxItems': 101 },
  ],
  ['a response string loses its format', { 'schemas Thing properties ownerId format': undefined }],
  ['a request string gets a format', { 'schemas ThingCreation properties name format': 'uuid' }],
  ['the type of a response property changes', { 'schemas Thing properties name type': 'boolean' }],
  [
    'the type of a request property changes',
    { 'schemas ThingCreation properties name type': 'boolean' },
  ],
  ['a response property becomes nullable', { 'schemas Thing properties name nullable': true }],
  ['a response allows additional properties', { 'schemas Thing additionalProperties': true }],
  ['a required parameter is added', withParameter({ required: true })],
  ['a parameter becomes required', withParameter({ required: true }), withParameter({})],
  ['a parameter is removed', { 'getThing parameters': [] }],
  ['a parameter is renamed', withParameter({ name: 'search' }), withParameter({})],
  [
    'the serialization of a query array changes',
    withParameter({ schema: LIST, explode: false }),
    withParameter({ schema: LIST, explode: true }),
  ],
  [
    'an old address of a path is removed before its sunset',
    withoutOldServer(),
    withOldServer('2026-11-24'),
  ],
  [
    'a path loses all its servers before the sunset of the old one',
    {},
    withOldServer('2026-11-24'),
  ],
  ['a path parameter is renamed', renamedPathParameter()],
  ['a default changes', { 'listThings parameters 0 schema default': 50 }],
  ['a default is removed', { 'listThings parameters 0 schema default': undefined }],
  ['the maximum page size falls', { 'listThings parameters 0 schema maximum': 50 }],
  ['a request body becomes required', {}, { 'createThing requestBody required': false }],
  ['a request body is removed', { 'createThing requestBody': undefined }],
  ['an operation requires a credential', {}, { 'getThing security': [] }],
  ['an operation accepts one kind of credential less', { 'getThing security': [{ bearer: [] }] }],
  ['an operation requires another scope', { 'getThing x-scopes': ['things', 'all'] }],
  ['an operation stops accepting an idempotency key', { 'createThing x-idempotent': undefined }],
  ['an event is added', { 'schemas ThingEvent oneOf 2': { $ref: '#/components/schemas/Thing' } }],
  [
    'the property of a discriminator changes',
    { 'schemas ThingEvent discriminator propertyName': 'thing' },
  ],
  ['a value of a discriminator is renamed', renamedMapping()],
  [
    'a schema is renamed',
    {
      'schemas Stuff': valueAt(tinyContract(), 'schemas ThingCreation'),
      [CREATION_SCHEMA]: { $ref: '#/components/schemas/Stuff' },
      'schemas ThingCreation': undefined,
    },
  ],
]

/** Changes at the root of the document: each is compared in a document of its own. */
export const BREAKING_ALONE: Case[] = [
  [
    'an operation returns a problem code that its callers cannot know',
    { 'createThing x-problems': ['name-taken', 'new'], ...grownEnum('ProblemCode') },
  ],
  ['every operation requires another credential', { security: [{ apiKey: [] }] }],
  ['the header of a credential is renamed', { 'securitySchemes apiKey name': 'X-Key' }],
  ['the path prefix changes', { servers: [{ url: '/api/v2' }] }],
  [
    'a closed enum is declared open and grows',
    { ...grownEnum('ProblemCode') },
    { 'schemas ProblemCode x-grows': undefined },
  ],
]

/** Moves `getThing` to a method of a path of its own. */
function operationAt(method: string): Edits {
  return { 'paths /moved': { [method]: { ...GET_THING, operationId: 'moveThing' } } }
}

function replacedMediaType(): Edits {
  const content = valueAt(tinyContract(), 'getThing responses 200 content application/json')
  return { 'getThing responses 200 content': { 'application/cbor': content } }
}

function renamedOwner(): Edits {
  const ownerId = valueAt(tinyContract(), 'schemas Thing properties ownerId')
  return {
    'schemas Thing properties ownerId': undefined,
    'schemas Thing properties ownersId': ownerId,
  }
}

function renamedPathParameter(): Edits {
  const text = JSON.stringify(PATHS['/things/{thingId}']).replaceAll('thingId', 'stuffId')
  return {
    'paths /things/{thingId}': undefined,
    'paths /things/{stuffId}': JSON.parse(text) as unknown,
  }
}

function renamedMapping(): Edits {
  return {
    'schemas ThingEvent discriminator mapping gone': undefined,
    'schemas ThingEvent discriminator mapping lost': '#/components/schemas/ThingGone',
    'schemas ThingGone properties type enum': ['lost'],
  }
}
