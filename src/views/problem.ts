import type { Problem as ProblemSchema } from '../../generated/api.ts'
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
    ...(detail !== undefined && { detail: detail.slice(0, LONGEST_DETAIL) }),
    instance: call.path.slice(0, LONGEST_INSTANCE),
    code: problem.code,
    requestId: call.requestId,
    retryable,
    ...(errors !== undefined && errors.length > 0 && { errors: errors.slice(0, MOST_ERRORS) }),
    ...(violatedPolicies !== undefined && { violatedPolicies }),
    ...(activeGenerationId !== undefined && { activeGenerationId }),
  }
}
