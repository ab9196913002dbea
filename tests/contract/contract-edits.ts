/* The edits of the smallest document that the cases of the change gate share. */

import { type Edits, type Json, tinyContract, valueAt } from '../support/contract/tiny-contract.ts'

/** A change of the document: after `edits`, compared with the document after `before`. */
export type Case = [what: string, edits: Edits, before?: Edits]

export const NAME = { type: 'string', maxLength: 100 }

export const LIST = { type: 'array', maxItems: 5, items: NAME }

export const GET_THING = valueAt(tinyContract(), 'getThing') as Json

const QUERY_PARAMETER: Json = {
  name: 'query',
  in: 'query',
  description: 'A word.',
  schema: NAME,
}

/** Adds a query parameter to `getThing`. */
export function withParameter(more: Json): Edits {
  return { 'getThing parameters 1': { ...QUERY_PARAMETER, ...more } }
}

/** Removes the deprecated `deleteThing`. */
export function removal(): Edits {
  return { 'paths /things/{thingId} delete': undefined }
}

/** Sets the day on which `deleteThing` may be removed. */
export function sunsetOn(day: string | undefined): Edits {
  return { 'deleteThing x-sunset': day }
}

/** Serves a path at its old address, too, until a day. */
export function withOldServer(day: string): Edits {
  const old = { url: '/', 'x-deprecated-since': '2026-01-01', 'x-sunset': day }
  return { 'paths /events servers': [{ url: '/api/v1' }, old] }
}

/** Serves a path at its present address alone, and says so. */
export function withoutOldServer(): Edits {
  return { 'paths /events servers': [{ url: '/api/v1' }] }
}

/** Adds a value to an enum. */
export function grownEnum(schema: string): Edits {
  const values = valueAt(tinyContract(), `schemas ${schema} enum`) as string[]
  return { [`schemas ${schema} enum`]: [...values, 'new'] }
}
