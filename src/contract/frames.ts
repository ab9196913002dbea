import { Ajv, type ValidateFunction } from 'ajv'
import addFormats from 'ajv-formats'
import type { ContractDocument } from './document.ts'

/** Says what is wrong with an event of a stream, or nothing. */
export type FrameCheck = (event: unknown) => string | undefined

/**
 * Holds stream events against the contract. express-openapi-validator sees whole JSON bodies only,
 * so what is written to a stream is checked here, by the same validator underneath (Ajv).
 */
export function createFrameCheck(document: ContractDocument, schemaName: string): FrameCheck {
  const ajv = ajvOf(document)
  const validators = new Map(
    eventSchemas(document, schemaName).map(([type, ref]) => [
      type,
      ajv.compile({ $ref: `contract${ref}` }),
    ]),
  )
  return (event) => {
    const type = (event as { type?: unknown } | null)?.type
    const validate = validators.get(String(type))
    if (!validate) return `there is no event ${String(type)}`
    return validate(event) ? undefined : explain(validate)
  }
}

/** Holds a value against one schema of the contract. */
export function createSchemaCheck(document: ContractDocument, schemaName: string): FrameCheck {
  const validate = ajvOf(document).compile({ $ref: `contract#/components/schemas/${schemaName}` })
  return (value) => (validate(value) ? undefined : explain(validate))
}

function ajvOf(document: ContractDocument): Ajv {
  // OpenAPI keywords such as `example` and `discriminator.mapping` are no JSON Schema.
  const ajv = new Ajv({ strict: false, discriminator: false })
  addFormats.default(ajv)
  ajv.addSchema(document, 'contract')
  return ajv
}

/** The discriminator's mapping: each event type and the schema that it has. */
function eventSchemas(document: ContractDocument, schemaName: string): [string, string][] {
  const schema = document.components.schemas[schemaName] as
    { discriminator?: { mapping?: Record<string, string> } } | undefined
  const mapping = schema?.discriminator?.mapping
  if (!mapping) throw new Error(`openapi/api.yaml: ${schemaName} maps no discriminator`)
  return Object.entries(mapping)
}

function explain(validate: ValidateFunction): string {
  return (validate.errors ?? [])
    .map(({ instancePath, message }) => `${instancePath} ${message ?? ''}`.trim())
    .join('; ')
}
