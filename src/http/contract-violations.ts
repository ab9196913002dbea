import type { Request, Response } from 'express'
import { Problem } from '../domain/problem.ts'
import type { Log } from '../ports/log.ts'
import type { AnswerProblem } from './problems.ts'

/** Replies and stream events that break the contract: logged with what was wrong, never sent. */
export function refuseViolations(log: Log, answerProblem: AnswerProblem) {
  const note = (req: Request, violation: unknown) => {
    const { requestId, policy } = req.call
    const what = violation instanceof Error ? violation.message : violation
    log.error({ requestId, operationId: policy?.operationId, violation: what }, 'contract violated')
  }

  return {
    /** Answers 500 in the place of a reply that is not what the contract promises. */
    onInvalidReply(req: Request, res: Response, violation: unknown): void {
      note(req, violation)
      for (const name of res.getHeaderNames()) {
        if (name === 'etag' || name === 'location') res.removeHeader(name)
      }
      answerProblem(req, res, new Problem('internal'))
    },

    onInvalidFrame(req: Request, violation: string): void {
      note(req, violation)
    },
  }
}
