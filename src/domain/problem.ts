import type { ProblemCode } from '../../generated/api.ts'
import type { LimitState } from './limits/limit-state.ts'

/** What every problem of one code has in common. Source: the contract's table of errors. */
export type ProblemKind = { status: number; title: string; retryable: boolean }

/** Every problem code. A code of the contract that is missing here does not compile. */
export const PROBLEMS: Readonly<Record<ProblemCode, ProblemKind>> = {
  'invalid-request': kind(400, 'The request does not match the contract.'),
  'malformed-json': kind(400, 'The request body is not well-formed JSON.'),
  'cursor-mismatch': kind(400, 'The cursor belongs to a different list.'),
  'context-too-long': kind(400, 'The message is too long for the model.'),
  unauthenticated: kind(401, 'Authentication required.'),
  'token-expired': kind(401, 'The token or API key has expired.'),
  'token-invalid': kind(401, 'The token or API key is not valid.'),
  'refresh-token-reused': kind(401, 'The refresh token was already used. Its session has ended.'),
  'invalid-credentials': kind(401, 'Incorrect email or password.'),
  'account-disabled': kind(403, 'The account is disabled.'),
  'insufficient-scope': kind(403, 'A required scope is missing.'),
  'registration-closed': kind(403, 'Registration is closed.'),
  'not-found': kind(404, 'Resource not found.'),
  'method-not-allowed': kind(405, 'The path does not support this method.'),
  'not-acceptable': kind(406, 'None of the media types in Accept is available.'),
  'request-timeout': retryable(408, 'The request did not arrive in time.'),
  'email-taken': kind(409, 'An account with this email already exists.'),
  'conversation-busy': retryable(409, 'An answer in this conversation is still in progress.'),
  'idempotency-in-progress': retryable(
    409,
    'The first request with this idempotency key is still in progress.',
  ),
  'generation-expired': kind(410, 'The stream of this answer has expired.'),
  'precondition-failed': kind(412, 'The resource has changed since you read it.'),
  'payload-too-large': kind(413, 'The request body is too large.'),
  'uri-too-long': kind(414, 'The URL is too long.'),
  'unsupported-media-type': kind(415, 'The request body must be application/json.'),
  'weak-password': kind(422, 'The password does not meet the requirements.'),
  'idempotency-key-reused': kind(
    422,
    'The idempotency key was already used with a different body.',
  ),
  'quota-exceeded': retryable(429, 'Rate limit exceeded.'),
  'too-many-streams': retryable(429, 'Too many concurrent streams.'),
  'export-busy': retryable(429, 'Too many exports or large lists are in progress.'),
  'headers-too-large': kind(431, 'The request headers are too large.'),
  internal: retryable(500, 'Internal server error.'),
  'upstream-failed': retryable(502, 'The model server failed.'),
  'upstream-refused': kind(502, 'The model server rejected the request.'),
  unavailable: retryable(503, 'The server is temporarily unavailable.'),
  'upstream-timeout': retryable(504, 'The model server did not answer in time.'),
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
