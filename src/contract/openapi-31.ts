import type { ContractDocument } from './document.ts'

type Json = Record<string, unknown>

/** Data, not schemas: it is never rewritten, whatever it looks like. */
const EXAMPLES: readonly string[] = ['example', 'examples']

/**
 * The contract as OpenAPI 3.1, for tools that need it: the same document in the vocabulary of JSON
 * Schema 2020-12.
 * Source: OpenAPI 3.1.0, and the initiative's "Migrating from OpenAPI 3.0 to 3.1.0".
 */
export function toOpenApi31(document: ContractDocument): ContractDocument {
  return { ...(rewrite(document) as ContractDocument), openapi: '3.1.0' }
}

function rewrite(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(rewrite)
  if (!isObject(value)) return value
  return mapEntries(value, (key, entry) => {
    if (EXAMPLES.includes(key)) return entry
    if (key === 'schema') return schemaOf(entry)
    // `schemas` stands below `components` only; the keys there are the contract's own names.
    if (key === 'schemas') return mapEntries(entry as Json, (_name, schema) => schemaOf(schema))
    return rewrite(entry)
  })
}

function schemaOf(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(schemaOf)
  if (!isObject(schema)) return schema
  const { nullable, example, exclusiveMinimum, exclusiveMaximum, format, ...rest } = schema
  const { minimum, maximum, ...others } = rest
  return {
    ...mapEntries(others, (keyword, value) => {
      if (keyword === 'properties') return mapEntries(value as Json, (_name, one) => schemaOf(one))
      return SUBSCHEMAS.includes(keyword) ? schemaOf(value) : value
    }),
    ...(nullable === true && { type: [rest['type'], 'null'] }),
    ...(example !== undefined && { examples: [example] }),
    // A flag beside the bound in 3.0, the bound itself in 3.1.
    ...given(exclusiveMinimum === true ? 'exclusiveMinimum' : 'minimum', minimum),
    ...given(exclusiveMaximum === true ? 'exclusiveMaximum' : 'maximum', maximum),
    ...formatOf(format),
  }
}

const SUBSCHEMAS = ['items', 'additionalProperties', 'allOf', 'anyOf', 'oneOf', 'not']

/** In 3.1, a string that is not text states its encoding. */
function formatOf(format: unknown): Json {
  if (format === 'byte') return { contentEncoding: 'base64' }
  if (format === 'binary') return { contentMediaType: 'application/octet-stream' }
  return given('format', format)
}

function given(key: string, value: unknown): Json {
  return value === undefined ? {} : { [key]: value }
}

function mapEntries(object: Json, change: (key: string, value: unknown) => unknown): Json {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(key, value)]))
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null
}
