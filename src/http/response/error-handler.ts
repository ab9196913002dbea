import type { ErrorRequestHandler, Request, Response } from 'express'
import type { ResponseCheck } from '../../contract/responses/response-check.ts'
import type { Limits } from '../../domain/limits/limits.ts'
import { Problem } from '../../domain/problem.ts'
import type { Log } from '../../ports/observability/log.ts'
import type { Meter } from '../../ports/observability/meter.ts'
import { problemView } from '../../views/problem.ts'
import { refundCall } from '../request/charges.ts'
import { HungUp } from '../request/hung-up.ts'
import type { ContractViolations } from './contract-violations.ts'
import { problemOf } from './error-mapping.ts'
import { writeProblem } from './problem-response.ts'

/** A rate limit refuses the call, or a limit that only the domain can count. */
const LIMITED = 429

export type ErrorHandlerTools = {
  log: Log
  meter: Pick<Meter, 'limited'>
  limits: Pick<Limits, 'refund'>
  check: ResponseCheck
  violations: ContractViolations
}

/**
 * Turns whatever is thrown into application/problem+json. A call that any limit refuses is not
 * charged for the others.
 */
export function handleErrors(tools: ErrorHandlerTools): ErrorRequestHandler {
  const { log, limits } = tools
  // Express recognises an error handler by its four parameters.
  return async (error: unknown, req, res, _next) => {
    // The client is gone, and nothing has failed.
    if (error instanceof HungUp) return
    const problem = problemOf(error, req.call.principal?.id)
    if (problem.code === 'internal') logFailure(log, req, error)
    if (problem.facts.limits) req.call.limits.push(...problem.facts.limits)
    if (problem.kind.status === LIMITED) {
      await refundCall(req.call, limits).catch((failure: unknown) => {
        logFailure(log, req, failure)
      })
    }
    if (res.headersSent) {
      if (!res.writableEnded) res.destroy()
      return
    }
    sendProblem(req, res, problem, tools)
  }
}

/** Sends a problem that fits the contract. All refusals pass here, so the meter counts the limits here. */
function sendProblem(
  req: Request,
  res: Response,
  problem: Problem,
  { check, violations, meter }: ErrorHandlerTools,
): void {
  problem.facts.violatedPolicies?.forEach((policy) => meter.limited(policy))
  const body = problemView(problem, req.call)
  const violation = check.problem(req.call.policy?.operationId, body)
  if (violation === undefined) writeProblem(req, res, problem, body)
  else violations.replaceResponse(req, res, violation)
}

function logFailure(log: Log, req: Request, error: unknown): void {
  const { requestId, policy } = req.call
  const cause = error instanceof Problem ? (error.facts.cause ?? error) : error
  log.error({ requestId, operationId: policy?.operationId, err: cause }, 'unexpected failure')
}
