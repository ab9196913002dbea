import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import openapiTS, { astToString } from 'openapi-typescript'
import { CONTRACT_FILE, loadContract } from '../src/contract/document.ts'
import type { Policies } from '../src/contract/policy.ts'
import { parsePolicies } from '../src/contract/policies.ts'
import { STATUS_OF } from '../src/domain/problem.ts'
import { packageRoot } from '../src/lib/package-root.ts'
import { generatePrisma } from './generate-prisma.ts'

const HEADER =
  '// Made from openapi/api.yaml by `npm run generate`. Do not edit: edit the contract.\n'

/** Writes everything that is derived from the contract and from the database schema. */
export async function generate(outputDirectory = join(packageRoot, 'generated')): Promise<void> {
  write(join(outputDirectory, 'api.ts'), HEADER + (await apiTypes()))
  write(join(outputDirectory, 'policies.ts'), HEADER + policyConstants())
  await generatePrisma(join(outputDirectory, 'prisma'))
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

function write(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

if (import.meta.url === `file://${process.argv[1]}`) await generate()
