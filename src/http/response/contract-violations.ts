import type { Request, Response } from 'express'
import { Problem } from '../../domain/problem.ts'
import type { Log } from '../../ports/observability/log.ts'
import type { Meter } from '../../ports/observability/meter.ts'

/** Headers that a reply may have brought, and that a problem in its place must not have. */
const OF_REPLIES = [
  'ETag',
  'Content-Encoding',
  'Location',
  'Deprecation',
  'Sunset',
  'Link',
  'Idempotency-Replayed',
]

/** Answers a call with a problem. */
export type AnswerProblem = (req: Request, res: Response, problem: Problem) => void

/** Told of anything that breaks the contract, with what is wrong. */
export type NoteViolation = (req: Request, violation: unknown) => void

/** Counts what breaks the contract since the start, and logs it: it is always a mistake of ours. */
export function noteViolations({ log, meter }: { log: Log; meter: Meter }): NoteViolation {
  let count = 0
  return (req, violation) => {
    const { requestId, policy } = req.call
    const what = violation instanceof Error ? violation.message : violation
    count += 1
    meter.violated(policy?.operationId)
    const line = { requestId, operationId: policy?.operationId, violation: what, count }
    log.error(line, 'contract violated')
  }
}

/** Answers 500 in the place of a reply that is not what the contract promises. */
export function refuseInvalidReply(note: NoteViolation, answerProblem: AnswerProblem) {
  return (req: Request, res: Response, violation: unknown): void => {
    note(req, violation)
    for (const name of OF_REPLIES) res.removeHeader(name)
    answerProblem(req, res, new Problem('internal'))
  }
}
