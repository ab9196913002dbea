import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../lib/package-root.ts'

export const WORKFLOWS_FILE = 'openapi/workflows.arazzo.yaml'

/** The workflows (Arazzo) as partners fetch them: beside the contract, whose name there is another. */
export function readWorkflows(): string {
  const text = readFileSync(join(packageRoot, WORKFLOWS_FILE), 'utf8')
  return text.replace('url: ./api.yaml', 'url: ./openapi.yaml')
}
