import type { ContractDocument } from './document.ts'
import { createSchemaChecks, type SchemaCheck } from './schema-checks.ts'

/** Says what is wrong with an event of a stream or a line of an export, or nothing. */
export type FrameCheck = SchemaCheck

/**
 * Holds the events of a stream against the contract, each against the schema of its own type.
 * @param schemaName of a `oneOf` with a discriminator
 */
export function createFrameCheck(document: ContractDocument, schemaName: string): FrameCheck {
  const checkAt = createSchemaChecks(document)
  const checks = new Map(
    eventSchemas(document, schemaName).map(([type, place]) => [type, checkAt(place)]),
  )
  return (event) => {
    const type = (event as { type?: unknown } | null)?.type
    const check = checks.get(String(type))
    return check ? check(event) : `there is no event ${String(type)}`
  }
}

/** The discriminator's mapping: each event type and the place of its schema. */
function eventSchemas(document: ContractDocument, schemaName: string): [string, string][] {
  const schema = document.components.schemas[schemaName] as
    { discriminator?: { mapping?: Record<string, string> } } | undefined
  const mapping = schema?.discriminator?.mapping
  if (!mapping) throw new Error(`openapi/api.yaml: ${schemaName} maps no discriminator`)
  return Object.entries(mapping)
}
