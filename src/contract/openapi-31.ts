import type { ContractDocument } from './document.ts'

type Json = Record<string, unknown>

/** Data of the contract: whatever it looks like, it is nothing to rewrite. */
const EXAMPLES: readonly string[] = ['example', 'examples']

/**
 * The contract as OpenAPI 3.1, for tools that ask for it: the same, in the words of JSON Schema
 * 2020-12. Nobody edits it.
 * Source: OpenAPI 3.1.0, and the initiative's "Migrating from OpenAPI 3.0 to 3.1.0".
 */
export function toOpenApi31(document: ContractDocument): ContractDocument {
  return { ...(rewrite(document) as ContractDocument), openapi: '3.1.0' }
}

function rewrite(thing: unknown): unknown {
  if (Array.isArray(thing)) return thing.map(rewrite)
  if (!isObject(thing)) return thing
  return mapEntries(thing, (key, value) => {
    if (EXAMPLES.includes(key)) return value
    if (key === 'schema') return schemaOf(value)
    // Below `components`, and nowhere else: the names there are the contract's own.
    if (key === 'schemas') return mapEntries(value as Json, (_name, schema) => schemaOf(schema))
    return rewrite(value)
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
    // In 3.0 a flag beside the bound, in 3.1 the bound itself.
    ...given(exclusiveMinimum === true ? 'exclusiveMinimum' : 'minimum', minimum),
    ...given(exclusiveMaximum === true ? 'exclusiveMaximum' : 'maximum', maximum),
    ...formatOf(format),
  }
}

const SUBSCHEMAS = ['items', 'additionalProperties', 'allOf', 'anyOf', 'oneOf', 'not']

/** What is not text says its encoding instead. */
function formatOf(format: unknown): Json {
  if (format === 'byte') return { contentEncoding: 'base64' }
  if (format === 'binary') return { contentMediaType: 'application/octet-stream' }
  return given('format', format)
}

function given(key: string, value: unknown): Json {
  return value === undefined ? {} : { [key]: value }
}

function mapEntries(thing: Json, change: (key: string, value: unknown) => unknown): Json {
  return Object.fromEntries(Object.entries(thing).map(([key, value]) => [key, change(key, value)]))
}

function isObject(thing: unknown): thing is Json {
  return typeof thing === 'object' && thing !== null
}
