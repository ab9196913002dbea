import { type Edits, tinyContract, valueAt } from '../support/contract/tiny-contract.ts'
import {
  type Case,
  GET_THING,
  grownEnum,
  NAME,
  removal,
  sunsetOn,
  withOldServer,
  withoutOldServer,
  withParameter,
} from './contract-edits.ts'

export const HARMLESS: Case[] = [
  ['nothing changes', {}],
  ['a path is added', { 'paths /stuff': { get: GET_THING } }],
  ['an operation is added', { 'paths /events put': GET_THING }],
  ['an operation is deprecated', deprecation()],
  [
    'a deprecation is withdrawn',
    {
      'deleteThing deprecated': undefined,
      'deleteThing x-sunset': undefined,
      'deleteThing x-deprecated-since': undefined,
    },
  ],
  ['an x-sunset is postponed', { 'deleteThing x-sunset': '2027-06-01' }],
  ['an operation is removed after its x-sunset', removal()],
  ['an operation is removed on the day of its x-sunset', removal(), sunsetOn('2026-11-23')],
  [
    'an old address of a path is removed on the day of its sunset',
    withoutOldServer(),
    withOldServer('2026-11-23'),
  ],
  [
    'a path loses all its servers on the day of the sunset of the old one',
    {},
    withOldServer('2026-11-23'),
  ],
  ['an optional property of a response is added', { 'schemas Thing properties size': NAME }],
  [
    'a required property of a response is added',
    { 'schemas ThingGone properties size': NAME, 'schemas ThingGone required': ['type', 'size'] },
  ],
  ['an optional property of a request is added', { 'schemas ThingCreation properties size': NAME }],
  ['a property of a request becomes optional', { 'schemas ThingCreation required': [] }],
  ['a property of a response becomes required', requiredOwner()],
  ['an optional parameter is added', withParameter({})],
  ['a parameter becomes optional', withParameter({}), withParameter({ required: true })],
  [
    'an enum value of a request is added',
    { 'schemas ThingCreation properties kind enum': ['small', 'large', 'huge'] },
  ],
  [
    'the maximum length of a request string rises',
    { 'schemas ThingCreation properties name maxLength': 101 },
  ],
  [
    'the minimum length of a request string falls',
    { 'schemas ThingCreation properties name minLength': 0 },
  ],
  [
    'the maximum of a request number rises',
    { 'schemas ThingCreation properties weight maximum': 1001 },
  ],
  [
    'the maximum length of a request array rises',
    { 'schemas ThingCreation properties tags maxItems': 6 },
  ],
  [
    'the maximum length of a response string falls',
    { 'schemas Thing properties name maxLength': 99 },
  ],
  ['the maximum of a response number falls', { 'schemas Thing properties weight maximum': 999 }],
  [
    'the maximum length of a response array falls',
    { 'schemas ThingPage properties data maxItems': 99 },
  ],
  [
    'an error response is added',
    { 'getThing responses 404': valueAt(tinyContract(), 'responses NameTaken') },
  ],
  ['a response header is added', { 'getThing responses 200 headers ETag': { schema: NAME } }],
  ['a response header becomes required', {}, { 'headers Location required': false }],
  ['an operation stops requiring a credential', { 'getThing security': [] }],
  ['an operation stops requiring a scope', { 'getThing x-scopes': [] }],
  ['an operation starts to accept an idempotency key', { 'listThings x-idempotent': true }],
  ['a request body becomes optional', { 'createThing requestBody required': false }],
  ['a value is added to an enum that may grow', grownEnum('ProblemCode')],
  ['another rate limit applies', { 'getThing x-rate-limit': ['user', 'chat'] }],
  ['a description changes', { 'getThing description': 'Better words.' }],
  ['an example changes', { 'getThing responses 200 content application/json example': {} }],
]

/** Changes at the root of the document: each is compared in a document of its own. */
export const HARMLESS_ALONE: Case[] = [
  [
    'an operation returns a problem code that callers know',
    { 'getThing x-problems': ['too-late'] },
  ],
  [
    'a new operation returns a new problem code',
    {
      'paths /stuff': { get: { ...GET_THING, 'x-problems': ['new'] } },
      ...grownEnum('ProblemCode'),
    },
  ],
  ['another kind of credential is accepted', {}, { security: [{ bearer: [] }] }],
]

function deprecation(): Edits {
  return {
    'getThing deprecated': true,
    'getThing x-deprecated-since': '2026-11-23',
    'getThing x-sunset': '2027-11-23',
  }
}

function requiredOwner(): Edits {
  return { 'schemas Thing required': ['id', 'name', 'kind', 'createdAt', 'ownerId'] }
}
