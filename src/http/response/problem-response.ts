import type { Request, Response } from 'express'
import type { Problem as ProblemSchema } from '../../../generated/api.ts'
import { PROBLEM_TYPE } from '../../contract/media-types.ts'
import type { Problem } from '../../domain/problem.ts'
import { problemView } from '../../views/problem.ts'
import { setLimitHeaders } from './limit-headers.ts'
import { setVersion } from './versioned.ts'

/** Seconds after which a call is worth a retry, where the server does not know better. */
const RETRY_SOON_SECONDS = 2

/** Writes a problem, without a check. @param body of the problem, if the caller has rendered it already */
export function writeProblem(
  req: Request,
  res: Response,
  problem: Problem,
  body: ProblemSchema = problemView(problem, req.call),
): void {
  const { facts, kind, code } = problem
  req.call.problemCode = code
  res.statusCode = kind.status
  res.setHeader('Content-Type', PROBLEM_TYPE)
  res.setHeader('Cache-Control', 'no-store')
  setLimitHeaders(res, req.call.limits)
  if (kind.status === 401) res.setHeader('WWW-Authenticate', challengeOf(problem))
  if (facts.allow !== undefined) res.setHeader('Allow', facts.allow)
  if (facts.etag !== undefined) setVersion(res, facts.etag, 'no-store')
  const retryAfter = retryAfterOf(problem)
  if (retryAfter !== undefined) res.setHeader('Retry-After', retryAfter)
  res.json(body)
}

/** RFC 6750 section 3: no `error` where the request had no credential. */
function challengeOf({ code, message }: Problem): string {
  if (code === 'unauthenticated') return 'Bearer realm="parley"'
  if (code === 'invalid-credentials') return 'Bearer realm="parley"'
  return `Bearer realm="parley", error="invalid_token", error_description="${message}"`
}

/** In whole seconds, at least 1. */
function retryAfterOf({ facts, kind }: Problem): number | undefined {
  // 502, 503 and 504: what is unavailable may be back soon, unless it has refused for good.
  const isUnavailable = kind.retryable && kind.status > 500
  const seconds = facts.retryAfterSeconds ?? (isUnavailable ? RETRY_SOON_SECONDS : undefined)
  return seconds === undefined ? undefined : Math.max(1, Math.ceil(seconds))
}
