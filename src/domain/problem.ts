import type { ProblemCode } from '../../generated/api.ts'
import type { LimitState } from './limits/limit-state.ts'

/** What every problem of one code has in common. Source: the contract's table of errors. */
export type ProblemKind = { status: number; title: string; retryable: boolean }

/** Every problem code. A code of the contract that is missing here does not compile. */
export const PROBLEMS: Readonly<Record<ProblemCode, ProblemKind>> = {
  'invalid-request': kind(400, 'The request does not fit the contract.'),
  'malformed-json': kind(400, 'The body is not well-formed JSON.'),
  'cursor-mismatch': kind(400, 'The cursor belongs to another list.'),
  'context-too-long': kind(400, 'The message is too long for the model behind chat.'),
  unauthenticated: kind(401, 'A credential is needed.'),
  'token-expired': kind(401, 'The token has expired.'),
  'token-invalid': kind(401, 'The token is not valid.'),
  'refresh-token-reused': kind(401, 'The refresh token was used before; its session has ended.'),
  'invalid-credentials': kind(401, 'Email and password do not belong together.'),
  'account-disabled': kind(403, 'The account is disabled.'),
  'insufficient-scope': kind(403, 'The caller lacks a scope that the operation needs.'),
  'registration-closed': kind(403, 'Nobody can register here.'),
  'not-found': kind(404, 'There is no such thing.'),
  'method-not-allowed': kind(405, 'The path does not have this method.'),
  'not-acceptable': kind(406, 'None of the media types in Accept can be answered.'),
  'request-timeout': retryable(408, 'The request did not arrive in time.'),
  'email-taken': kind(409, 'There is an account with this email.'),
  'conversation-busy': retryable(409, 'The conversation is still answering.'),
  'idempotency-in-progress': retryable(409, 'The first call with this key is still running.'),
  'generation-expired': kind(410, 'The stream of this answer is not kept any more.'),
  'precondition-failed': kind(412, 'The thing has changed since it was read.'),
  'payload-too-large': kind(413, 'The body is too large.'),
  'uri-too-long': kind(414, 'The address is too long.'),
  'unsupported-media-type': kind(415, 'The body must be application/json.'),
  'weak-password': kind(422, 'The password is too easy to guess.'),
  'idempotency-key-reused': kind(422, 'The key was used for another body.'),
  'quota-exceeded': retryable(429, 'A limit is spent.'),
  'too-many-streams': retryable(429, 'Too many streams are open.'),
  'export-busy': retryable(429, 'Too many exports or large lists are under way.'),
  'headers-too-large': kind(431, 'The headers are too large.'),
  internal: retryable(500, 'Something went wrong on our side.'),
  'upstream-failed': retryable(502, 'The engine behind chat failed.'),
  'upstream-refused': kind(502, 'The engine behind chat refused the call.'),
  unavailable: retryable(503, 'The server cannot do this just now.'),
  'upstream-timeout': retryable(504, 'The engine behind chat did not answer in time.'),
}

/** The HTTP status of each code. */
export const STATUS_OF = Object.fromEntries(
  Object.entries(PROBLEMS).map(([code, { status }]) => [code, status]),
) as Readonly<Record<ProblemCode, number>>

/** A place where a request breaks the contract; see the contract's RequestError. */
export type RequestErrorPlace = {
  in: 'body' | 'query' | 'path' | 'header'
  pointer: string
  code: string
  detail: string
}

/** The facts of one occurrence. The caller sees all of them but `cause`. */
export type ProblemFacts = {
  detail?: string
  errors?: RequestErrorPlace[]
  violatedPolicies?: string[]
  /** The limits that are exceeded, for the headers, where the call was not charged for them openly. */
  limits?: readonly LimitState[]
  activeGenerationId?: string
  /** Seconds, at least 1. */
  retryAfterSeconds?: number
  /** The current version of the resource, for a precondition that failed. */
  etag?: string
  /** The methods of the path, for a method that it does not have. */
  allow?: string
  /** For the log only. */
  cause?: unknown
}

/**
 * The error that the server throws for a caller: a code of the contract and the facts of this
 * occurrence. `http/response/error-handler.ts` turns it into application/problem+json.
 */
export class Problem extends Error {
  readonly code: ProblemCode
  readonly facts: ProblemFacts

  constructor(code: ProblemCode, facts: ProblemFacts = {}) {
    super(facts.detail ?? PROBLEMS[code].title, { cause: facts.cause })
    this.name = 'Problem'
    this.code = code
    this.facts = facts
  }

  get kind(): ProblemKind {
    return PROBLEMS[this.code]
  }
}

/** A request that fits its schema and still breaks a rule: the same problem as the validator's. */
export function invalidRequest(place: RequestErrorPlace): Problem {
  const where = [place.in, place.pointer].filter((part) => part !== '').join(' ')
  return new Problem('invalid-request', { detail: `${where}: ${place.detail}`, errors: [place] })
}

function kind(status: number, title: string): ProblemKind {
  return { status, title, retryable: false }
}

function retryable(status: number, title: string): ProblemKind {
  return { status, title, retryable: true }
}
