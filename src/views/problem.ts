import type { Problem as ProblemSchema } from '../../generated/api.ts'
import { cutText } from '../domain/text/cut-text.ts'
import type { Problem } from '../domain/problem.ts'

const MOST_ERRORS = 50
const LONGEST_DETAIL = 2000
const LONGEST_INSTANCE = 2000

/** Where each code is explained; the docs answer every one of these. */
export const PROBLEM_TYPE_BASE = '/docs/problems/'

/** A problem as RFC 9457 shows it: nothing of the cause, nothing internal. */
export function problemView(
  problem: Problem,
  call: { requestId: string; path: string },
): ProblemSchema {
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

/**
 * The path as a URI reference (RFC 3986), however it was written: what may not stand there is
 * percent-encoded, and no percent-encoding is cut in two.
 */
function instanceOf(path: string): string {
  const encoded = path.replace(/[^\w\-.~:/@!$&'()*+,;=%]/g, encodeURIComponent)
  const whole = encoded.replace(/%(?![0-9a-f]{2})/gi, '%25')
  return whole.slice(0, LONGEST_INSTANCE).replace(/%[0-9a-f]?$/i, '')
}
