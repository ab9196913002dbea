import { type Edits, tinyContract, valueAt } from '../support/contract/tiny-contract.ts'

const thing = valueAt(tinyContract(), 'schemas Thing')

/** Built-in rules that must stay on, in whichever order the rule sets are extended. */
export const BUILT_IN_RULES: readonly [rule: string, what: string, edits: Edits][] = [
  ['no-unused-components', 'an unused schema', { 'schemas Unused': thing }],
  ['operation-singular-tag', 'two tags', { 'getThing tags': ['things', 'events'] }],
  ['operation-tag-defined', 'an undeclared tag', { 'getThing tags': ['stray'] }],
  ['operation-summary', 'a missing summary', { 'getThing summary': undefined }],
  ['operation-description', 'a missing description', { 'getThing description': undefined }],
  ['operation-operationId', 'a missing operationId', { 'getThing operationId': undefined }],
  [
    'operation-operationId-unique',
    'an operationId that is used twice',
    { 'getThing operationId': 'listThings' },
  ],
  [
    'parameter-description',
    'a missing description',
    { 'listThings parameters 0 description': undefined },
  ],
  [
    'no-unresolved-refs',
    'a reference to nothing',
    { 'schemas Thing properties x': { $ref: '#/no' } },
  ],
  [
    'no-invalid-media-type-examples',
    'an example that breaks its schema',
    { 'getThing responses 200 content application/json example': { id: 7 } },
  ],
  [
    'no-required-schema-properties-undefined',
    'a required property that does not exist',
    { 'schemas ThingGone required': ['type', 'lost'] },
  ],
  ['path-parameters-defined', 'an undeclared path parameter', { 'getThing parameters': [] }],
  ['security-defined', 'an undeclared security scheme', { 'getThing security': [{ other: [] }] }],
  ['struct', 'a key unknown to OpenAPI', { 'getThing colour': 'red' }],
]
