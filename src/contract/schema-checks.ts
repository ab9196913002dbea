import { Ajv, type ValidateFunction } from 'ajv'
import addFormats from 'ajv-formats'
import type { ContractDocument } from './document.ts'

/** Says what is wrong with a value, or nothing. */
export type SchemaCheck = (value: unknown) => string | undefined

/** Compiles checks for places of the document, such as `#/components/schemas/Problem`. */
export type SchemaChecks = (place: string) => SchemaCheck

/** Reading a whole document takes Ajv 50 ms, and each place of it is compiled once. */
const known = new WeakMap<ContractDocument, SchemaChecks>()

/**
 * Holds values against schemas of the contract. express-openapi-validator sees whole JSON bodies
 * only; everything else is checked here, by the same validator underneath (Ajv).
 */
export function createSchemaChecks(document: ContractDocument): SchemaChecks {
  const checks = known.get(document) ?? compileChecks(document)
  known.set(document, checks)
  return checks
}

function compileChecks(document: ContractDocument): SchemaChecks {
  // OpenAPI keywords such as `example` and `discriminator.mapping` are no JSON Schema.
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
