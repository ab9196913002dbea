import type { Request, Response } from 'express'
import type { ResponseCheck } from '../../contract/responses/response-check.ts'
import type { Clock } from '../../ports/clock/clock.ts'
import type { Meter } from '../../ports/observability/meter.ts'
import type { ContractViolations } from './contract-violations.ts'

/** Called with every response just before its head is sent. */
export type BeforeHead = (req: Request, res: Response, status: number) => void

/** A response of an operation that fits the contract. */
export type ValidResponse = { operationId: string; status: number; mediaType?: string }

/** Measures the response, then goes on. */
export function measureResponses(
  { meter, clock }: { meter: Meter; clock: Clock },
  next: BeforeHead,
): BeforeHead {
  return (req, res, status) => {
    const { policy, startedAtMs } = req.call
    meter.answered(policy?.operationId, status, (clock.monotonicMs() - startedAtMs) / 1000)
    next(req, res, status)
  }
}

/**
 * Checks the head of every response, whatever wrote it: a handler's reply, a problem, a stream or a
 * redirect.
 */
export function checkHeads(
  check: ResponseCheck,
  violations: ContractViolations,
  onValid: (response: ValidResponse) => void = () => undefined,
): BeforeHead {
  return (req, res, status) => {
    const { policy, problemCode } = req.call
    const operationId = policy?.operationId
    const headers = res.getHeaders()
    const violation = check.head({ operationId, status, headers, problemCode })
    if (violation !== undefined) {
      violations.report(req, violation)
      return
    }
    // HEAD leaves out the body, so whether that is valid is unknown.
    if (operationId === undefined || req.method === 'HEAD') return
    const mediaType = headers['content-type'] as string | undefined
    onValid({ operationId, status, ...(mediaType && { mediaType }) })
  }
}
