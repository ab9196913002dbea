import type { ProblemCode } from '../../../generated/api.ts'
import {
  type ContractDocument,
  type OperationObject,
  operationsIn,
  type Reference,
  resolve,
} from '../document.ts'
import { ContractMistake } from '../extensions.ts'
import { isSequential, PROBLEM_TYPE } from '../media-types.ts'
import { createSchemaChecks, type SchemaCheck } from '../schema-checks.ts'
import { type DocumentedResponse, responsesOf } from './documented-responses.ts'
import { createUnionCheck } from './union-check.ts'

/** The problems of every operation, beyond its `x-problems`; see openapi/extensions.md. */
const PROBLEMS_OF_ALL: readonly ProblemCode[] = [
  'account-disabled',
  'insufficient-scope',
  'internal',
  'invalid-request',
  'malformed-json',
  'not-acceptable',
  'payload-too-large',
  'quota-exceeded',
  'request-timeout',
  'token-expired',
  'token-invalid',
  'unauthenticated',
  'unavailable',
  'unsupported-media-type',
]

/** What the contract says of the responses of one operation. */
export type OperationShape = {
  responses: ReadonlyMap<number, ResponseShape>
  problems: ReadonlySet<ProblemCode>
}

export type ResponseShape = {
  mediaType: string | undefined
  isReply: boolean
  isProblem: boolean
  /** Checks one item of a body that is sent item by item. */
  checkItem: SchemaCheck | undefined
  /** By lower-case name. */
  headers: ReadonlyMap<string, SchemaCheck>
  requiredHeaders: readonly string[]
}

/**
 * Compiles the responses of every operation, by operationId.
 * @throws {ContractMistake} at a header or an item that is not described among the components
 */
export function responseShapes(document: ContractDocument): ReadonlyMap<string, OperationShape> {
  const compile = { header: memoized(headerCheck), item: memoized(createUnionCheck) }
  const shapeOf = (one: DocumentedResponse) => responseShape(document, one, compile)
  return new Map(
    operationsIn(document).map((operation) => [
      operation.operationId,
      {
        responses: new Map(
          responsesOf(document, operation).map((one) => [one.status, shapeOf(one)]),
        ),
        problems: new Set([...PROBLEMS_OF_ALL, ...ownProblems(operation)]),
      },
    ]),
  )
}

function ownProblems(operation: OperationObject): ProblemCode[] {
  return (operation['x-problems'] ?? []) as ProblemCode[]
}

type Compile = (document: ContractDocument, reference: Reference) => SchemaCheck

function responseShape(
  document: ContractDocument,
  { mediaType, isReply, response }: DocumentedResponse,
  compile: { header: Compile; item: Compile },
): ResponseShape {
  const headers = Object.entries(response.headers ?? {}).map(
    ([name, header]) => [name.toLowerCase(), referenceIn(header)] as const,
  )
  const required = headers.filter(([, header]) => {
    return resolve<HeaderObject>(document, header).required === true
  })
  const item = isSequential(mediaType) && response.content?.[mediaType!]?.schema
  return {
    mediaType,
    isReply,
    isProblem: mediaType === PROBLEM_TYPE,
    checkItem: item ? compile.item(document, referenceIn(item)) : undefined,
    headers: new Map(headers.map(([name, header]) => [name, compile.header(document, header)])),
    requiredHeaders: required.map(([name]) => name),
  }
}

/** Each component is compiled once, however many responses refer to it. */
function memoized(compile: Compile): Compile {
  const checks = new Map<string, SchemaCheck>()
  return (document, reference) => {
    const check = checks.get(reference.$ref) ?? compile(document, reference)
    checks.set(reference.$ref, check)
    return check
  }
}

function referenceIn(value: unknown): Reference {
  const { $ref } = value as Partial<Reference>
  if ($ref !== undefined) return { $ref }
  throw new ContractMistake('#/paths', 'a header or an item of a stream must be a reference')
}

type HeaderObject = { required?: boolean; schema: { type: string } }

function headerCheck(document: ContractDocument, reference: Reference): SchemaCheck {
  const { schema } = resolve<HeaderObject>(document, reference)
  const check = createSchemaChecks(document)(`${reference.$ref}/schema`)
  // On the wire every value is text.
  const read = schema.type === 'integer' ? Number : String
  // Most headers have the same value in one response after the other (docs/decisions/0013).
  let lastRight: unknown
  return (value) => {
    if (value === lastRight) return undefined
    const violation = check(read(value))
    if (violation === undefined) lastRight = value
    return violation
  }
}
