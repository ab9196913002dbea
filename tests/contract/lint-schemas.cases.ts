import { type Edits, tinyContract, valueAt } from '../support/contract/tiny-contract.ts'

const inline = {
  type: 'object',
  additionalProperties: false,
  properties: { on: { type: 'boolean' } },
}
const uuid = { type: 'string', format: 'uuid', maxLength: 36 }
const time = { type: 'string', format: 'date-time', maxLength: 24 }
const line = { type: 'string', maxLength: 5 }
const LATIN = String.raw`^[ -~\u0080-\u00ff]*$`
const NO_CONTROL = String.raw`^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$`
const thing = valueAt(tinyContract(), 'schemas Thing')

/** Rules of the plugin for schemas and names: the rule, what is wrong, and the edit that makes it wrong. */
export const SCHEMA_RULES: readonly [rule: string, what: string, edits: Edits][] = [
  [
    'closed-objects',
    'additionalProperties missing',
    { 'schemas Thing additionalProperties': undefined },
  ],
  ['closed-objects', 'additionalProperties: true', { 'schemas Thing additionalProperties': true }],
  ['no-free-form-objects', 'an object without properties', { 'schemas ThingGone properties': {} }],
  ['no-inline-objects', 'an inline property', { 'schemas Thing properties extra': inline }],
  ['no-inline-objects', 'inline items', { 'schemas ThingPage properties data items': inline }],
  [
    'no-inline-objects',
    'an inline body',
    { 'getThing responses 200 content application/json schema': inline },
  ],
  ['typed-schemas', 'a missing type', { 'schemas Thing properties name': { maxLength: 5 } }],
  ['typed-schemas', 'a list of types', { 'schemas Thing properties name type': ['string'] }],
  ['no-nullable', 'nullable: true', { 'schemas Thing properties name nullable': true }],
  ['no-nullable', 'nullable: false', { 'schemas Thing properties name nullable': false }],
  ['no-composition', 'anyOf', { 'schemas ThingGone anyOf': [{ type: 'object' }] }],
  ['no-composition', 'allOf', { 'schemas ThingGone allOf': [{ type: 'object' }] }],
  ['no-composition', 'not', { 'schemas ThingGone not': { type: 'string' } }],
  [
    'discriminated-one-of',
    'a missing discriminator',
    { 'schemas ThingEvent discriminator': undefined },
  ],
  [
    'discriminated-one-of',
    'an unmapped member',
    { 'schemas ThingEvent discriminator mapping gone': undefined },
  ],
  [
    'discriminated-one-of',
    'a key other than the value',
    { 'schemas ThingGone properties type enum': ['lost'] },
  ],
  [
    'discriminated-one-of',
    'a property with two values',
    { 'schemas ThingGone properties type enum': ['gone', 'lost'] },
  ],
  ['discriminated-one-of', 'an optional property', { 'schemas ThingGone required': [] }],
  [
    'bounded-numbers',
    'a missing maximum',
    { 'schemas Thing properties weight maximum': undefined },
  ],
  [
    'bounded-numbers',
    'a missing minimum',
    { 'schemas Thing properties weight minimum': undefined },
  ],
  ['bounded-numbers', 'a maximum of 2^53', { 'schemas Thing properties weight maximum': 2 ** 53 }],
  [
    'bounded-strings',
    'a property without maxLength',
    { 'schemas Thing properties name maxLength': undefined },
  ],
  [
    'bounded-strings',
    'a header without maxLength',
    { 'headers Location schema maxLength': undefined },
  ],
  [
    'bounded-arrays',
    'a missing maxItems',
    { 'schemas ThingPage properties data maxItems': undefined },
  ],
  [
    'single-lines',
    'a missing pattern',
    { 'schemas ThingCreation properties name pattern': undefined },
  ],
  [
    'single-lines',
    'a pattern that allows line ends',
    { 'schemas ThingCreation properties name pattern': '^[^ ]' },
  ],
  [
    'single-lines',
    'a pattern without an end',
    { 'schemas ThingCreation properties name pattern': '^[a-z]' },
  ],
  [
    'single-lines',
    'a pattern that allows C1 controls',
    { 'schemas ThingCreation properties name pattern': LATIN },
  ],
  [
    'single-lines',
    'a pattern that allows bidirectional overrides',
    { 'schemas ThingCreation properties name pattern': NO_CONTROL },
  ],
  [
    'single-lines',
    'items without a pattern',
    { 'schemas ThingCreation properties tags items pattern': undefined },
  ],
  [
    'single-lines',
    'a pattern without an example',
    { 'schemas ThingCreation properties name pattern': '^a@a$' },
  ],
  [
    'single-lines',
    'a parameter with an empty pattern',
    { 'listThings parameters 0 schema': { ...line, pattern: '' } },
  ],
  [
    'camel-case-names',
    'a property in snake_case',
    { 'schemas Thing properties some_name': { type: 'boolean' } },
  ],
  [
    'camel-case-names',
    'a parameter in kebab-case',
    { 'listThings parameters 0 name': 'page-limit' },
  ],
  ['schema-names', 'a name in camelCase', { 'schemas newThing': thing }],
  ['constructor-names', 'the prefix New', { 'schemas NewThing': thing }],
  [
    'uuid-ids',
    'a property without the format',
    { 'schemas Thing properties ownerId format': undefined },
  ],
  [
    'uuid-ids',
    'a parameter without the format',
    { 'getThing parameters 0 schema format': undefined },
  ],
  [
    'times-end-in-at',
    'a time with another name',
    { 'schemas ThingCreation properties birthday': time },
  ],
  [
    'times-end-in-at',
    'the name of a time without one',
    { 'schemas ThingCreation properties madeAt': uuid },
  ],
  [
    'timestamps-in-answers',
    'another schema for a time',
    { 'schemas Thing properties createdAt': time },
  ],
]
