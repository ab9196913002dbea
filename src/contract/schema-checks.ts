import { Ajv, type ValidateFunction } from 'ajv'
import addFormats from 'ajv-formats'
import type { ContractDocument } from './document.ts'

/** Returns what is wrong with a value, or undefined. */
export type SchemaCheck = (value: unknown) => string | undefined

/** Compiles checks for places of the document, such as `#/components/schemas/Problem`. */
export type SchemaChecks = (place: string) => SchemaCheck

/** Ajv takes 50 ms to read a whole document, so each document is read once. */
const known = new WeakMap<ContractDocument, SchemaChecks>()

/**
 * Checks values against schemas of the contract, with the library that express-openapi-validator uses
 * itself (Ajv).
 */
export function createSchemaChecks(document: ContractDocument): SchemaChecks {
  const checks = known.get(document) ?? compileChecks(document)
  known.set(document, checks)
  return checks
}

function compileChecks(document: ContractDocument): SchemaChecks {
  // OpenAPI keywords such as `example` and `discriminator.mapping` are not JSON Schema.
  const ajv = new Ajv({ strict: false, discriminator: false })
  addFormats.default(ajv)
  ajv.addSchema(document, 'contract')
  return (place) => {
    const validate = ajv.compile({ $ref: `contract${place}` })
    return (value) => (validate(value) ? undefined : explain(validate))
  }
}

function explain(validate: ValidateFunction): string {
  return (validate.errors ?? [])
    .map(({ instancePath, message }) => `${instancePath} ${message ?? ''}`.trim())
    .join('; ')
}
