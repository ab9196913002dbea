import type { RequestHandler } from 'express'
import type { Policy } from '../contract/policies.ts'
import { Problem } from '../domain/problem.ts'

/** 406 where `Accept` excludes what the operation answers. Problems are sent whatever it says. */
export function negotiate({ replies }: Policy): RequestHandler {
  const answer = [...replies.values()].find((type) => type !== undefined)
  return (req, _res, next) => {
    const { accept } = req.headers
    const anything = accept === undefined || accept === '*/*' || accept === answer
    if (answer !== undefined && !anything && req.accepts(answer) === false) {
      throw new Problem('not-acceptable', { detail: `Answers ${answer}.` })
    }
    next()
  }
}
