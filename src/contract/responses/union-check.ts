import { type ContractDocument, type Reference, resolve } from '../document.ts'
import { createSchemaChecks, type SchemaCheck } from '../schema-checks.ts'

type Union = { discriminator?: { mapping?: Record<string, string> } }

/**
 * Checks the items of a stream, each against the schema of its own `type`, so that a violation names
 * what is wrong with that type rather than with every member of the `oneOf`.
 * @param reference to a `oneOf` with a discriminator
 */
export function createUnionCheck(document: ContractDocument, reference: Reference): SchemaCheck {
  const checkAt = createSchemaChecks(document)
  const { discriminator } = resolve<Union>(document, reference)
  if (!discriminator?.mapping) {
    throw new Error(`openapi/api.yaml: ${reference.$ref} maps no discriminator`)
  }
  const checks = new Map(
    Object.entries(discriminator.mapping).map(([type, place]) => [type, checkAt(place)]),
  )
  return (item) => {
    const type = String((item as { type?: unknown } | null)?.type)
    const check = checks.get(type)
    return check ? check(item) : `there is no event ${type}`
  }
}
