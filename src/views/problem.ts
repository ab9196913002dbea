import type { MessageErrorEvent, Problem as ProblemSchema } from '../../generated/api.ts'
import { cutText } from '../domain/text/cut-text.ts'
import type { Problem } from '../domain/problem.ts'

/** A problem lists at most this many errors: the contract's `maxItems`. */
export const MOST_ERRORS = 50
const LONGEST_DETAIL = 2000
const LONGEST_INSTANCE = 2000

/** The docs serve a page for each code below this path. */
export const PROBLEM_TYPE_BASE = '/docs/problems/'

type ProblemCall = { requestId: string; path: string }

/** A problem in the form of RFC 9457, without its cause. */
export function problemView(problem: Problem, call: ProblemCall): ProblemSchema {
  const { status, title, retryable } = problem.kind
  const { detail, errors, violatedPolicies, activeGenerationId } = problem.facts
  return {
    type: PROBLEM_TYPE_BASE + problem.code,
    title,
    status,
    ...(detail !== undefined && { detail: cutText(detail, LONGEST_DETAIL) }),
    instance: instanceOf(call.path),
    code: problem.code,
    requestId: call.requestId,
    retryable,
    ...(errors !== undefined && errors.length > 0 && { errors: errors.slice(0, MOST_ERRORS) }),
    ...(violatedPolicies !== undefined && { violatedPolicies }),
    ...(activeGenerationId !== undefined && { activeGenerationId }),
  }
}

/** The event that ends a stream with a problem. */
export function messageErrorView(problem: Problem, call: ProblemCall): MessageErrorEvent {
  return { type: 'message.error', problem: problemView(problem, call) }
}

/**
 * The path as a URI reference (RFC 3986), however the client wrote it: other characters are
 * percent-encoded, and no percent-encoding is cut in two.
 */
function instanceOf(path: string): string {
  const encoded = path.replace(/[^\w\-.~:/@!$&'()*+,;=%]/g, encodeURIComponent)
  const whole = encoded.replace(/%(?![0-9a-f]{2})/gi, '%25')
  return whole.slice(0, LONGEST_INSTANCE).replace(/%[0-9a-f]?$/i, '')
}
