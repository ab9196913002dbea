import { parse } from 'yaml'
import { describe, expect, test } from 'vitest'
import type { ContractDocument } from '../../src/contract/document.ts'
import { parsePolicies } from '../../src/contract/policies.ts'
import { ResponseCheck } from '../../src/contract/responses/response-check.ts'
import { STATUS_OF } from '../../src/domain/problem.ts'
import { createValidator } from '../../src/http/request/validator.ts'
import { contract } from '../support/contract/contract.ts'

/** Returns the contract with one line changed. */
function withMistake(from: string, to: string): ContractDocument {
  if (!contract.yaml.includes(from)) throw new Error(`The contract has no "${from}"`)
  return parse(contract.yaml.replace(from, to)) as ContractDocument
}

const parsing = (document: ContractDocument) => () => parsePolicies(document, STATUS_OF)

describe('parsePolicies', () => {
  test.each([
    [
      'an unknown extension of an operation',
      'x-scopes: []',
      'x-scope: []',
      'x-scope: is an unknown',
    ],
    [
      'an unknown extension of the root',
      'x-rate-limits:',
      'x-limits: {}\nx-rate-limits:',
      '#/x-limits',
    ],
    [
      'an unknown limit',
      'x-rate-limit: [user, chat]',
      'x-rate-limit: [usr]',
      '~1chat/post/x-rate-limit: "usr"',
    ],
    [
      'an unknown scope',
      "x-scopes: ['chat:write']",
      "x-scopes: ['chat:wrte']",
      '"chat:wrte" is not known',
    ],
    ['an unknown problem', 'x-problems: [not-found]', 'x-problems: [gone]', '"gone" is not known'],
    [
      'a problem with an undocumented status',
      'x-problems: [cursor-mismatch]',
      'x-problems: [conversation-busy]',
      'names conversation-busy, but 409 is not among the responses',
    ],
    ['a secured operation without scopes', '      x-scopes: []\n', '', 'must say x-scopes'],
    [
      'a quota that is not a number',
      'quota: 100,',
      'quota: many,',
      '#/x-rate-limits/anonymous/quota',
    ],
    ['a limit on an unknown subject', 'per: principal }', 'per: planet }', '/per: must be one of'],
    [
      'a deprecation without a sunset',
      '      x-sunset: 2027-11-30\n      responses',
      '      responses',
      'must say x-deprecated-since and x-sunset',
    ],
    [
      'an unknown successor',
      'x-moved-to: getHealth',
      'x-moved-to: getHaelth',
      'there is no operation getHaelth',
    ],
    [
      'a repeated operationId',
      'operationId: listModes',
      'operationId: getStatus',
      'getStatus is used twice',
    ],
  ])('refuses %s and names its place', (_mistake, from, to, message) => {
    expect(parsing(withMistake(from, to))).toThrow(message)
  })
})

describe('createValidator', () => {
  test.each([
    ['a reference to nothing', "schemas/Health'", "schemas/Wealth'"],
    ['an operationId that is not a string', 'operationId: getHealth', 'operationId: 17'],
  ])('refuses a document with %s', async (_mistake, from, to) => {
    const document = withMistake(from, to)
    const start = async () =>
      createValidator(document, parsePolicies(document, STATUS_OF), () => undefined)

    await expect(start()).rejects.toThrow()
  })
})

test('ResponseCheck distinguishes an unknown stream event from one that breaks its schema', () => {
  const responses = new ResponseCheck(contract.document)
  const check = (event: unknown) => responses.item('streamMessage', event)

  expect(check({ type: 'message.delta', text: 'Hello' })).toBeUndefined()
  expect(check({ type: 'message.delta', text: 'Hello', more: 1 })).toContain('additional')
  expect(check({ type: 'message.delta' })).toContain("required property 'text'")
  expect(check({ type: 'message.unknown' })).toBe('there is no event message.unknown')
  expect(check(null)).toContain('there is no event')
})
