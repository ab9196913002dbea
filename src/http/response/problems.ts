import type { ErrorRequestHandler, Request, Response } from 'express'
import type { Problem as ProblemSchema } from '../../../generated/api.ts'
import type { SchemaCheck } from '../../contract/schema-checks.ts'
import type { Limits } from '../../domain/limits/limits.ts'
import { Problem } from '../../domain/problem.ts'
import { LimiterUnavailable } from '../../ports/limiter/limiter.ts'
import { HashQueueFull } from '../../ports/passwords/passwords.ts'
import type { Log } from '../../ports/observability/log.ts'
import type { Meter } from '../../ports/observability/meter.ts'
import { AccountClosed } from '../../store/account-closed.ts'
import { DatabaseUnavailable } from '../../store/database/unavailable.ts'
import { problemView } from '../../views/problem.ts'
import type { AnswerProblem, NoteViolation } from './contract-violations.ts'
import { setLimitHeaders } from './limit-headers.ts'
import { HungUp } from '../request/request-log.ts'
import { setVersion } from './versioned.ts'

/** Seconds after which a call is worth repeating when the server cannot say better. */
const RETRY_SOON_SECONDS = 2

/** A limit refuses: its own, or one that only the domain can count. */
const LIMITED = 429

/**
 * The one funnel: anything thrown becomes application/problem+json, and nothing internal shows. What
 * any limit refuses costs nothing of the others that the call was counted for.
 */
export function answerProblems(
  log: Log,
  answer: AnswerProblem,
  limits: Pick<Limits, 'refund'>,
): ErrorRequestHandler {
  // Express knows an error handler by its four parameters.
  return async (error: unknown, req, res, _next) => {
    // There is nobody to answer, and nothing has failed.
    if (error instanceof HungUp) return
    const problem = problemOf(error, req.call.principal?.id)
    if (problem.code === 'internal') logMistake(log, req, error)
    if (problem.kind.status === LIMITED) {
      await limits.refund(req.call).catch((mistake: unknown) => {
        logMistake(log, req, mistake)
      })
    }
    if (res.headersSent) {
      if (!res.writableEnded) res.destroy()
      return
    }
    answer(req, res, problem)
  }
}

/**
 * Answers with a problem, held against the contract like every other body: one that breaks it is
 * noted, and `internal` goes out in its place.
 * @param check of the contract's schema `Problem`
 * @param meter is told of every limit that refuses: all refusals come through here
 */
export function createAnswerProblem(
  note: NoteViolation,
  check: SchemaCheck,
  meter: Pick<Meter, 'limited'>,
): AnswerProblem {
  return (req, res, problem) => {
    problem.facts.violatedPolicies?.forEach(meter.limited)
    const body = problemView(problem, req.call)
    const violation = undocumented(req, problem) ?? check(body)
    if (violation === undefined) send(req, res, problem, body)
    else {
      note(req, violation)
      const internal = new Problem('internal')
      send(req, res, internal, problemView(internal, req.call))
    }
  }
}

/** What the validator is not asked: it is told of problems as such, and not of each. */
function undocumented({ call: { policy } }: Request, { kind }: Problem): string | undefined {
  if (!policy || policy.refusals.has(kind.status)) return undefined
  return `status ${kind.status} is not documented`
}

function send(req: Request, res: Response, problem: Problem, body: ProblemSchema): void {
  const { facts, kind, code } = problem
  req.call.problemCode = code
  res.statusCode = kind.status
  res.setHeader('Content-Type', 'application/problem+json')
  res.setHeader('Cache-Control', 'no-store')
  setLimitHeaders(res, req.call.limits)
  if (kind.status === 401) res.setHeader('WWW-Authenticate', challenge(problem))
  if (facts.allow !== undefined) res.setHeader('Allow', facts.allow)
  if (facts.etag !== undefined) setVersion(res, facts.etag, 'no-store')
  // 502, 503 and 504: what is away may be back soon, unless it has refused for good.
  const isAway = kind.retryable && kind.status > 500
  const retryAfter = facts.retryAfterSeconds ?? (isAway ? RETRY_SOON_SECONDS : undefined)
  if (retryAfter !== undefined) res.setHeader('Retry-After', Math.max(1, Math.ceil(retryAfter)))
  res.json(body)
}

/** What of anything thrown may be told. @param callerId the caller's account, if there is a caller */
export function problemOf(error: unknown, callerId?: string): Problem {
  if (error instanceof Problem) return error
  // Closed since it was looked at: the caller is nobody any more, or has asked about somebody else.
  if (error instanceof AccountClosed) {
    const isOther = callerId !== undefined && callerId !== error.accountId
    return new Problem(isOther ? 'not-found' : 'token-invalid')
  }
  if (error instanceof DatabaseUnavailable) return new Problem('unavailable', { cause: error })
  if (error instanceof HashQueueFull || error instanceof LimiterUnavailable) {
    const { retryAfterSeconds } = error
    return new Problem('unavailable', { retryAfterSeconds, cause: error })
  }
  // Express's router: a path parameter that is no percent-encoded UTF-8.
  if (error instanceof URIError) {
    return new Problem('invalid-request', { detail: 'The path is malformed.' })
  }
  return new Problem('internal', { cause: error })
}

/** RFC 6750 section 3: no `error` where no credential was sent. */
function challenge({ code, message }: Problem): string {
  if (code === 'unauthenticated') return 'Bearer realm="parley"'
  if (code === 'invalid-credentials') return 'Bearer realm="parley"'
  return `Bearer realm="parley", error="invalid_token", error_description="${message}"`
}

function logMistake(log: Log, req: Request, error: unknown): void {
  const { requestId, policy } = req.call
  const cause = error instanceof Problem ? (error.facts.cause ?? error) : error
  log.error({ requestId, operationId: policy?.operationId, err: cause }, 'unexpected failure')
}
