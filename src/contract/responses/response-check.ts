import type { Problem, ProblemCode } from '../../../generated/api.ts'
import type { ContractDocument } from '../document.ts'
import { EVENT_STREAM_TYPE, JSON_LINES_TYPE } from '../media-types.ts'
import { createSchemaChecks, type SchemaCheck } from '../schema-checks.ts'
import { type OperationShape, type ResponseShape, responseShapes } from './response-shapes.ts'

/** How a response breaks the contract, in words for the log. */
export type Violation = string

/** The status and the headers of a response, as they are about to be sent. */
export type ResponseHead = {
  /** Undefined outside of the operations: a page of the docs, a path that does not exist. */
  operationId: string | undefined
  status: number
  /** By lower-case name. */
  headers: Readonly<Record<string, unknown>>
  /** Of the problem in the body. */
  problemCode: ProblemCode | undefined
}

/** What a handler returned, as far as it is checked here. */
export type CheckedReply = { status: number; body?: unknown; frames?: unknown; lines?: unknown }

/**
 * Headers that no operation declares: they belong to the connection or to the browser, or OpenAPI
 * declares them elsewhere, as it does Content-Type.
 */
const HEADERS_OF_ALL: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'content-security-policy',
  'content-type',
  'referrer-policy',
  'strict-transport-security',
  'vary',
  'x-content-type-options',
])
const CORS_PREFIX = 'access-control-'

/**
 * Checks every part of a response against the contract, except whole JSON bodies: those are the
 * business of express-openapi-validator. Each method returns the violation, or undefined.
 */
export class ResponseCheck {
  readonly #operations: ReadonlyMap<string, OperationShape>
  readonly #problem: SchemaCheck

  /** @throws {ContractMistake} at a header or an item that is not described among the components */
  constructor(document: ContractDocument) {
    this.#operations = responseShapes(document)
    this.#problem = createSchemaChecks(document)('#/components/schemas/Problem')
  }

  /** Checks that the handler may reply with this status, and that it has a body where there must be one. */
  reply(operationId: string, reply: CheckedReply): Violation | undefined {
    const { status } = reply
    const shape = this.#responseOf(operationId, status)
    if (!shape?.isReply) return undocumented(status)
    const { mediaType } = shape
    if (mediaType === undefined) {
      return reply.body === undefined ? undefined : `${status} has no body`
    }
    if (payloadOf(reply, mediaType) !== undefined) return undefined
    return `${status} needs a body of ${mediaType}`
  }

  /** Checks a problem: its status and its body. */
  problem(operationId: string | undefined, body: Problem): Violation | undefined {
    const { status } = body
    const isDocumented =
      operationId === undefined || this.#responseOf(operationId, status)?.isProblem === true
    return isDocumented ? this.#problem(body) : undocumented(status)
  }

  /** Checks an event of a stream, or a record of an export. */
  item(operationId: string, item: unknown): Violation | undefined {
    const check = this.#responseOf(operationId, 200)?.checkItem
    return check ? check(item) : `${operationId} sends no items`
  }

  /** Checks status, media type, problem code and headers. */
  head({ operationId, status, headers, problemCode }: ResponseHead): Violation | undefined {
    if (operationId === undefined) {
      const isProblem = status < 400 || problemCode !== undefined
      return isProblem ? undefined : `${status} is not a problem`
    }
    const { problems, responses } = this.#operations.get(operationId)!
    const shape = responses.get(status)
    if (!shape) return undocumented(status)
    if (headers['content-type'] !== shape.mediaType) {
      return `${status} has the media type ${String(headers['content-type'])}`
    }
    if (problemCode !== undefined && !problems.has(problemCode)) {
      return `the problem ${problemCode} is not documented`
    }
    return headerViolation(shape, headers)
  }

  #responseOf(operationId: string, status: number): ResponseShape | undefined {
    return this.#operations.get(operationId)?.responses.get(status)
  }
}

function undocumented(status: number): Violation {
  return `status ${status} is not documented`
}

function payloadOf({ body, frames, lines }: CheckedReply, mediaType: string): unknown {
  if (mediaType === EVENT_STREAM_TYPE) return frames
  return mediaType === JSON_LINES_TYPE ? lines : body
}

function headerViolation(
  { headers: checks, requiredHeaders }: ResponseShape,
  headers: ResponseHead['headers'],
): Violation | undefined {
  for (const name of requiredHeaders) {
    if (headers[name] === undefined) return `the header ${name} is missing`
  }
  for (const name of Object.keys(headers)) {
    const check = checks.get(name)
    if (check) {
      const violation = check(headers[name])
      if (violation !== undefined) return `the header ${name} ${violation}`
    } else if (!HEADERS_OF_ALL.has(name) && !name.startsWith(CORS_PREFIX)) {
      return `the header ${name} is not documented`
    }
  }
  return undefined
}
