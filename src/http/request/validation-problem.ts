import type { Request } from 'express'
import { error as validatorErrors } from 'express-openapi-validator'
import { cutText } from '../../domain/text/cut-text.ts'
import { invalidRequest, Problem, type RequestErrorPlace } from '../../domain/problem.ts'
import { MOST_ERRORS } from '../../views/problem.ts'

const LONGEST_POINTER = 500
const LONGEST_DETAIL = 500

/** The first segment of the validator's paths, and the contract's name for that place. */
const PLACES: Readonly<Record<string, RequestErrorPlace['in']>> = {
  body: 'body',
  query: 'query',
  params: 'path',
  headers: 'header',
}

type ValidatorError = { path: string; message: string; errorCode?: string }

/**
 * Turns the validator's refusal of a request into the contract's problem; returns any other error as
 * it is.
 * @param headers the header parameters as the contract spells them; the validator uses lower case
 */
export function validationProblem(error: unknown, headers: readonly string[]): unknown {
  if (!(error instanceof validatorErrors.BadRequest)) return error
  return invalidPlaces(error.errors.slice(0, MOST_ERRORS).map((one) => errorPlaceOf(one, headers)))
}

/** The problem of a request that breaks the contract in these places. */
export function invalidPlaces(places: readonly RequestErrorPlace[]): Problem {
  const errors = places.map((one) => ({ ...one, pointer: cutText(one.pointer, LONGEST_POINTER) }))
  const detail = errors.map((one) => `${one.in} ${one.pointer}: ${one.detail}`).join('; ')
  return new Problem('invalid-request', { detail, errors })
}

/** @throws {Problem} for an integer that is not written in plain digits */
export function refuseOddIntegers(req: Request, names: readonly string[]): void {
  for (const name of names) {
    const value = req.query[name]
    if (value === undefined || (typeof value === 'string' && /^-?\d{1,15}$/.test(value))) continue
    throw invalidRequest({ in: 'query', pointer: name, code: 'type', detail: 'must be integer' })
  }
}

function errorPlaceOf(
  { path, message, errorCode }: ValidatorError,
  headers: readonly string[],
): RequestErrorPlace {
  const [, first = '', ...rest] = path.split('/')
  const place = PLACES[first] ?? 'body'
  const unknown = errorCode === undefined && message.startsWith('Unknown query parameter')
  const pointer = place === 'body' ? rest.map((key) => `/${key}`).join('') : rest.join('/')
  const spelt = headers.find((name) => place === 'header' && name.toLowerCase() === pointer)
  return {
    in: place,
    pointer: spelt ?? pointer,
    code: unknown ? 'unknown' : codeOf(errorCode),
    detail: cutText(unknown ? 'is not a parameter of this operation' : message, LONGEST_DETAIL),
  }
}

/** The keyword of the schema that the value breaks. */
function codeOf(errorCode: string | undefined): string {
  const keyword = errorCode?.split('.')[0]
  if (keyword === undefined) return 'empty'
  return keyword === 'additionalProperties' ? 'unknown' : keyword
}
