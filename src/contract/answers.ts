import type { ProblemCode } from '../../generated/api.ts'
import {
  type ContractDocument,
  type OperationObject,
  operationsIn,
  type Reference,
  resolve,
  type ResponseObject,
} from './document.ts'
import { ContractMistake } from './extensions.ts'
import { createSchemaChecks, type SchemaCheck, type SchemaChecks } from './schema-checks.ts'

/** What an answer says before its body. */
export type AnswerHead = {
  operationId: string
  status: number
  /** By lower-case name. */
  headers: Readonly<Record<string, unknown>>
  /** Of the problem that the body is. */
  problemCode?: ProblemCode
}

/** Says what of an answer's head the contract does not promise, or nothing. */
export type AnswerCheck = (head: AnswerHead) => string | undefined

/**
 * Headers that no operation declares: they are the connection's, the browser's or, as OpenAPI says
 * of Content-Type, declared elsewhere.
 */
const OF_ANY_ANSWER = new Set([
  'connection',
  'content-length',
  'content-security-policy',
  'content-type',
  'referrer-policy',
  'strict-transport-security',
  'vary',
  'x-content-type-options',
])
const OF_CORS = 'access-control-'

/** What every operation can answer beyond its `x-problems`; see openapi/extensions.md. */
const OF_ANY_OPERATION: ReadonlySet<ProblemCode> = new Set<ProblemCode>([
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
])

type HeaderShape = { required: boolean; check: SchemaCheck }
type AnswerShape = {
  mediaType: string | undefined
  headers: ReadonlyMap<string, HeaderShape>
  /** Those that must be there. */
  required: readonly string[]
}
type OperationShape = { problems: ReadonlySet<unknown>; answers: ReadonlyMap<string, AnswerShape> }

/**
 * Holds the status, the media type, the headers and the problem code of answers against the
 * contract: what express-openapi-validator does not see.
 * @throws {ContractMistake} at a header that is not described among the components
 */
export function createAnswerCheck(document: ContractDocument): AnswerCheck {
  const shapes = shapesOf(document)
  return ({ operationId, status, headers, problemCode }) => {
    const { problems, answers } = shapes.get(operationId)!
    const answer = answers.get(String(status))
    if (!answer) return `status ${status} is not documented`
    if (headers['content-type'] !== answer.mediaType) {
      return `${status} has the media type ${String(headers['content-type'])}`
    }
    if (problemCode !== undefined && !problems.has(problemCode)) {
      return `the problem ${problemCode} is not documented`
    }
    return wrongHeader(answer, headers)
  }
}

function wrongHeader(
  { headers: shapes, required }: AnswerShape,
  headers: AnswerHead['headers'],
): string | undefined {
  for (const name of required) {
    if (headers[name] === undefined) return `the header ${name} is missing`
  }
  for (const name of Object.keys(headers)) {
    const shape = shapes.get(name)
    if (shape) {
      const wrong = shape.check(headers[name])
      if (wrong !== undefined) return `the header ${name} ${wrong}`
    } else if (!OF_ANY_ANSWER.has(name) && !name.startsWith(OF_CORS)) {
      return `the header ${name} is not documented`
    }
  }
  return undefined
}

function shapesOf(document: ContractDocument): Map<string, OperationShape> {
  const headerAt = headerShapes(document)
  return new Map(
    operationsIn(document).map((one) => [one.operationId, operationShape(document, one, headerAt)]),
  )
}

function operationShape(
  document: ContractDocument,
  operation: OperationObject,
  headerAt: (header: unknown) => HeaderShape,
): OperationShape {
  const answers = Object.entries(operation.responses).map(([status, response]) => {
    const { content = {}, headers = {} }: ResponseObject = resolve(document, response)
    const shapes = Object.entries(headers).map(
      ([name, header]) => [name.toLowerCase(), headerAt(header)] as const,
    )
    const required = shapes.filter(([, shape]) => shape.required).map(([name]) => name)
    const mediaType = Object.keys(content)[0]
    return [status, { mediaType, headers: new Map(shapes), required }] as const
  })
  const own = (operation['x-problems'] ?? []) as ProblemCode[]
  return { problems: new Set([...OF_ANY_OPERATION, ...own]), answers: new Map(answers) }
}

/** Each header's shape, compiled once however many answers have it. */
function headerShapes(document: ContractDocument): (header: unknown) => HeaderShape {
  const checkAt = createSchemaChecks(document)
  const shapes = new Map<string, HeaderShape>()
  return (header) => {
    const { $ref } = header as Partial<Reference>
    if ($ref === undefined) throw new ContractMistake('#/paths', 'a header must be a reference')
    const shape = shapes.get($ref) ?? headerShape(document, $ref, checkAt)
    shapes.set($ref, shape)
    return shape
  }
}

type HeaderObject = { required?: boolean; schema: { type: string } }

function headerShape(document: ContractDocument, $ref: string, checkAt: SchemaChecks): HeaderShape {
  const { required = false, schema } = resolve<HeaderObject>(document, { $ref })
  const check = checkAt(`${$ref}/schema`)
  // On the wire every value is text.
  const read = schema.type === 'integer' ? Number : String
  // Most headers say the same in one answer after the other.
  let lastRight: unknown
  return {
    required,
    check(value) {
      if (value === lastRight) return undefined
      const wrong = check(read(value))
      if (wrong === undefined) lastRight = value
      return wrong
    },
  }
}
