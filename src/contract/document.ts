import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { packageRoot } from '../lib/package-root.ts'
import { findParsed } from './parsed-contract.ts'

/** The methods of an OpenAPI path item that Parley uses. */
export const METHODS = ['get', 'put', 'post', 'delete', 'patch'] as const
export type Method = (typeof METHODS)[number]

/** The parts of an OpenAPI 3.0 document that the code reads; the validator reads the rest itself. */
export type ContractDocument = {
  openapi: string
  info: { title: string; version: string; description?: string }
  servers: ServerEntry[]
  security?: Record<string, string[]>[]
  paths: Record<string, PathItem>
  components: {
    schemas: Record<string, SchemaObject>
    parameters?: Record<string, ParameterObject>
    responses?: Record<string, ResponseObject>
    headers?: Record<string, unknown>
    securitySchemes?: Record<string, Pick<ParameterObject, 'name' | 'in'>>
  }
  [extension: `x-${string}`]: unknown
}
export type ServerEntry = {
  url: string
  description?: string
  [extension: `x-${string}`]: unknown
}
export type PathItem = { servers?: ServerEntry[]; parameters?: (ParameterObject | Reference)[] } & {
  [M in Method]?: OperationObject
}
export type OperationObject = {
  operationId: string
  deprecated?: boolean
  tags?: string[]
  security?: Record<string, string[]>[]
  parameters?: (ParameterObject | Reference)[]
  requestBody?: unknown
  responses: Record<string, ResponseObject | Reference>
  [extension: `x-${string}`]: unknown
}
export type Reference = { $ref: string }
export type ParameterObject = {
  name: string
  in: string
  allowReserved?: boolean
  schema: SchemaObject | Reference
}
export type ResponseObject = {
  description: string
  headers?: Record<string, unknown>
  links?: Record<string, unknown>
  content?: Record<string, { schema: unknown; example?: unknown; examples?: unknown }>
}
export type SchemaObject = { type?: string; enum?: string[]; [keyword: string]: unknown }

/** The path of the contract, from the root of the package. */
export const CONTRACT_FILE = 'openapi/api.yaml'

/** The contract: its text as written, and the parsed document. */
export type Contract = { yaml: string; document: ContractDocument }

/**
 * Reads openapi/api.yaml, once, at start-up.
 * @throws when the file is missing or is not YAML, with the place of the mistake
 */
export function loadContract(): Contract {
  const yaml = readFileSync(join(packageRoot, CONTRACT_FILE), 'utf8')
  return { yaml, document: (findParsed(yaml) ?? parse(yaml)) as ContractDocument }
}

/** Follows a `$ref` within the document; any other object is returned as it is. */
export function resolve<T extends object>(document: ContractDocument, value: T | Reference): T {
  if (!isReference(value)) return value
  const path = value.$ref.replace(/^#\//, '').split('/')
  const found = path.reduce<unknown>(
    (at, key) => (at as Record<string, unknown> | undefined)?.[key],
    document,
  )
  if (found === undefined) throw new Error(`openapi/api.yaml: nothing at ${value.$ref}`)
  return found as T
}

function isReference(value: object): value is Reference {
  return '$ref' in value
}

/** Every operation, in the order of the document. */
export function operationsIn({ paths }: Pick<ContractDocument, 'paths'>): OperationObject[] {
  return Object.values(paths).flatMap((item) => METHODS.flatMap((method) => item[method] ?? []))
}
