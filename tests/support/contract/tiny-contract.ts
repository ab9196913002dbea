/*
 * The smallest document that keeps every rule of the contract, and a way to change it in one place:
 * what a rule or the change gate reports then concerns that change alone.
 */

import { headerComponents, responses, schemas } from './tiny-components.ts'
import type { Json } from './tiny-parts.ts'
import { paths } from './tiny-paths.ts'

export type { Json } from './tiny-parts.ts'

/**
 * Changes by place: the keys from the root, separated by spaces; `undefined` removes. An operationId or
 * a section of the components may stand first, for its place.
 */
export type Edits = Readonly<Record<string, unknown>>

const SECTIONS = ['headers', 'parameters', 'responses', 'schemas', 'securitySchemes']

/** Returns a copy of the smallest document. */
export function tinyContract(): Json {
  return structuredClone({
    openapi: '3.0.3',
    info: {
      title: 'Tiny',
      version: '1.0.0',
      description: [
        '| status | code | meaning |',
        '|---|---|---|',
        '| 400 | `invalid-request` | Wrong. |',
        '| 409 | `name-taken` | Taken. |',
        '| 410 | `too-late` | Late. |',
        '| 500 | `internal` | Ours. |',
      ].join('\n'),
      license: { name: 'MIT', url: 'https://opensource.org/license/mit' },
    },
    servers: [{ url: '/api/v1' }],
    security: [{ bearer: [] }, { apiKey: [] }],
    tags: [
      { name: 'things', description: 'Things.' },
      { name: 'events', description: 'Events.' },
    ],
    paths: paths(),
    components: {
      headers: headerComponents(),
      responses: responses(),
      schemas: schemas(),
      securitySchemes: {
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key', description: 'A key.' },
        bearer: { type: 'http', scheme: 'bearer', description: 'A token.' },
      },
    },
  })
}

/** Returns the smallest document with these changes. */
export function edited(edits: Edits): Json {
  const document = tinyContract()
  for (const [place, value] of Object.entries(edits)) {
    const keys = keysOf(document, place.split(' '))
    const parent = at(document, keys.slice(0, -1))
    const last = keys.at(-1)!
    if (value === undefined) Reflect.deleteProperty(parent, last)
    else parent[last] = structuredClone(value)
  }
  return document
}

/** Returns the value at a place; places are written as for `edited`. */
export function valueAt(document: Json, place: string): unknown {
  return at(document, keysOf(document, place.split(' ')))
}

function keysOf(document: Json, [first, ...rest]: string[]): string[] {
  if (SECTIONS.includes(first!)) return ['components', first!, ...rest]
  for (const [path, item] of Object.entries(document['paths'] as Record<string, Json>)) {
    for (const [method, operation] of Object.entries(item)) {
      const { operationId } = operation as { operationId?: string }
      if (operationId === first) return ['paths', path, method, ...rest]
    }
  }
  return [first!, ...rest]
}

function at(document: Json, keys: string[]): Json {
  return keys.reduce<Json>((object, key) => {
    const next = object[key]
    if (typeof next !== 'object' || next === null) throw new Error(`Nothing at ${keys.join(' ')}.`)
    return next as Json
  }, document)
}
