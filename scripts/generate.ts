import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import openapiTS, { astToString } from 'openapi-typescript'
import { CONTRACT_FILE, loadContract } from '../src/contract/document.ts'
import type { Policies } from '../src/contract/policy.ts'
import { parsePolicies } from '../src/contract/policies.ts'
import { STATUS_OF } from '../src/domain/problem.ts'
import { packageRoot } from '../src/lib/package-root.ts'
import { ensurePrismaClient } from './generate-prisma.ts'

const HEADER =
  '// Made from openapi/api.yaml by `npm run generate`. Do not edit: edit the contract.\n'

/** Holds what is derived from the contract, which is committed, and the Prisma client, which is not. */
export const GENERATED = join(packageRoot, 'generated')

/** The text of each file that is derived from the contract, by its name in `generated/`. */
export async function derivedFiles(): Promise<Record<string, string>> {
  return { 'api.ts': HEADER + (await apiTypes()), 'policies.ts': HEADER + policyConstants() }
}

async function apiTypes(): Promise<string> {
  const source = new URL(`file://${join(packageRoot, CONTRACT_FILE)}`)
  const options = { defaultNonNullable: false, rootTypes: true, rootTypesNoSchemaPrefix: true }
  return astToString(await openapiTS(source, options))
}

/** The part of the policies that handlers and their types depend on, as constants. */
function policyConstants(): string {
  const { basePath, operations } = parsePolicies(loadContract().document, STATUS_OF)
  const entries = Object.fromEntries(operations.map(withoutPlace))
  return [
    '',
    '/** The path that every operation is below. */',
    `export const basePath = ${JSON.stringify(basePath)}`,
    '',
    '/** Security and x- keys of each operation, which openapi-typescript leaves out. */',
    `export const policies = ${JSON.stringify(entries, null, 2)} as const`,
    '',
  ].join('\n')
}

function withoutPlace(policy: Policies['operations'][number]): [string, unknown] {
  const { operationId, method, path, tag, auth, scopes, rateLimit, problems, audit } = policy
  const { movedTo } = policy
  return [operationId, { method, path, tag, auth, scopes, rateLimit, problems, audit, movedTo }]
}

async function generate(): Promise<void> {
  for (const [name, text] of Object.entries(await derivedFiles())) {
    writeFileSync(join(GENERATED, name), text)
  }
  await ensurePrismaClient()
}

if (import.meta.filename === process.argv[1]) await generate()
