import { parse } from 'node:querystring'
import type { QueryParameters } from '../../contract/policy.ts'
import type { RequestErrorPlace } from '../../domain/problem.ts'
import { MOST_ERRORS } from '../../views/problem.ts'
import { invalidPlaces } from './validation-problem.ts'

const NO_LIMIT = { maxKeys: 0 }

/** Parses every parameter of a query; by default Node drops those beyond the 1,000th. */
export function parseQuery(query: string): NodeJS.Dict<string | string[]> {
  return parse(query, '&', '=', NO_LIMIT)
}

/**
 * Refuses a parameter that the operation does not declare, and a repeated one that takes one value.
 * The validator reads bracketed names as objects, which hides `q[__proto__]` from its own check; no
 * parameter here is an object. A URL is at most 16 kB, which bounds the work.
 * @param url in well-formed percent-encoding
 * @throws {Problem} invalid-request
 */
export function refuseOddQuery(url: string, declared: QueryParameters): void {
  const seen = new Set<string>()
  const errors: RequestErrorPlace[] = []
  for (const pair of url.slice(url.indexOf('?') + 1).split('&')) {
    if (pair === '') continue
    const name = nameIn(pair)
    const fault = faultOf(declared.get(name), seen.has(name))
    if (fault) errors.push({ in: 'query', pointer: name, ...fault })
    if (errors.length === MOST_ERRORS) break
    seen.add(name)
  }
  if (errors.length > 0) throw invalidPlaces(errors)
}

function faultOf(takes: 'one' | 'many' | undefined, isSeen: boolean) {
  if (takes === undefined) {
    return { code: 'unknown', detail: 'is not a parameter of this operation' }
  }
  if (takes === 'many' || !isSeen) return undefined
  return { code: 'duplicate', detail: 'must not be repeated' }
}

/** The name of `name=value`, in the encoding of forms. */
function nameIn(pair: string): string {
  const end = pair.indexOf('=')
  const name = end === -1 ? pair : pair.slice(0, end)
  if (!name.includes('%') && !name.includes('+')) return name
  return decodeURIComponent(name.replaceAll('+', ' '))
}
