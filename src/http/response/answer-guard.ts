import type { Request, Response } from 'express'
import type { AnswerCheck, AnswerHead } from '../../contract/answers.ts'
import type { Clock } from '../../ports/clock/clock.ts'
import type { Meter } from '../../ports/observability/meter.ts'
import type { NoteViolation } from './contract-violations.ts'

/** Told of every answer just before its head goes out. */
export type AnswerGuard = (req: Request, res: Response, status: number) => void

/** An answer of an operation that is what the contract promises. */
export type ValidAnswer = Pick<AnswerHead, 'operationId' | 'status'> & { mediaType?: string }

/** Counts the answer, then looks at it. */
export function countAnswers(
  { meter, clock }: { meter: Meter; clock: Clock },
  guard: AnswerGuard,
): AnswerGuard {
  return (req, res, status) => {
    const { policy, startedAtMs } = req.call
    meter.answered(policy?.operationId, status, (clock.monotonicMs() - startedAtMs) / 1000)
    guard(req, res, status)
  }
}

/**
 * Holds the head of every answer against the contract, whoever made it: handler, funnel of problems,
 * stream or redirect. One that breaks it is noted and goes out all the same: a client can live with
 * a header too many better than without its answer.
 */
export function guardAnswers(
  check: AnswerCheck,
  note: NoteViolation,
  onValid: (answer: ValidAnswer) => void = () => undefined,
): AnswerGuard {
  return (req, res, status) => {
    const { policy, problemCode } = req.call
    const headers = res.getHeaders()
    const mediaType = headers['content-type'] as string | undefined
    if (!policy) {
      if (status >= 400 && problemCode === undefined) note(req, `${status} is not a problem`)
      return
    }
    const { operationId } = policy
    const violation = check({ operationId, status, headers, ...(problemCode && { problemCode }) })
    if (violation !== undefined) note(req, violation)
    // Of a body that is left out nobody knows whether it is valid.
    else if (req.method !== 'HEAD')
      onValid({ operationId, status, ...(mediaType && { mediaType }) })
  }
}
