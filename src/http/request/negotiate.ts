import type { RequestHandler } from 'express'
import { PROBLEM_TYPE } from '../../contract/documented-statuses.ts'
import type { Policy } from '../../contract/policy.ts'
import { Problem } from '../../domain/problem.ts'
import { admitsOneOf } from './accept.ts'

/** What generated clients ask for of every operation, a stream too. */
const ASKED_OF_ALL = ['application/json', PROBLEM_TYPE]

/**
 * 406 where `Accept` admits neither what the operation answers nor what generated clients ask for.
 * Problems are sent whatever it says.
 */
export function negotiate({ replies }: Policy): RequestHandler {
  const answer = [...replies.values()].find((type) => type !== undefined)
  const types = new Set(answer === undefined ? [] : [answer, ...ASKED_OF_ALL])
  const isAdmitted = (accept: string | undefined) =>
    accept === undefined || accept === '' || accept === '*/*' || types.has(accept)
  return (req, _res, next) => {
    const { accept } = req.headers
    if (answer !== undefined && !isAdmitted(accept) && !admitsOneOf(accept!, types)) {
      throw new Problem('not-acceptable', { detail: `This operation responds with ${answer}.` })
    }
    next()
  }
}
