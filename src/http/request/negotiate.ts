import type { RequestHandler } from 'express'
import { JSON_TYPE, PROBLEM_TYPE } from '../../contract/media-types.ts'
import type { Policy } from '../../contract/policy.ts'
import { Problem } from '../../domain/problem.ts'
import { admitsOneOf } from './accept.ts'

/** What generated clients accept from every operation, even from a stream. */
const ACCEPTED_OF_ALL = [JSON_TYPE, PROBLEM_TYPE]

/**
 * 406 where `Accept` admits neither the operation's media type nor those of generated clients.
 * Problems are sent regardless of `Accept`.
 */
export function negotiate({ replies }: Policy): RequestHandler {
  const own = [...replies.values()].find((type) => type !== undefined)
  const types = new Set(own === undefined ? [] : [own, ...ACCEPTED_OF_ALL])
  const isAdmitted = (accept: string | undefined) =>
    accept === undefined || accept === '' || accept === '*/*' || types.has(accept)
  return (req, _res, next) => {
    const { accept } = req.headers
    if (own !== undefined && !isAdmitted(accept) && !admitsOneOf(accept!, types)) {
      throw new Problem('not-acceptable', { detail: `This operation responds with ${own}.` })
    }
    next()
  }
}
