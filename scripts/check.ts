import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WORKFLOWS_FILE } from '../src/http/docs/workflows.ts'
import { packageRoot } from '../src/lib/package-root.ts'
import { refuseBreaks } from './contract-gate/gate.ts'
import { generate } from './generate.ts'
import { pendingMigrationSql } from './new-migration.ts'

/** One thing that can fail without running the server. It throws, with what to do about it. */
type Check = { name: string; run: () => Promise<void> }

const CHECKS: Check[] = [
  { name: 'contract: redocly lint', run: () => tool('redocly', ['lint', '--format=stylish']) },
  { name: 'workflows: redocly lint', run: () => tool('redocly', ['lint', WORKFLOWS_FILE]) },
  { name: 'contract: nothing breaks the newest release', run: refuseBreakingChanges },
  { name: 'generated files are fresh', run: refuseStaleGenerated },
  { name: 'migrations match the schema', run: refuseDrift },
  { name: 'types', run: () => tool('tsc', ['--noEmit', '-p', '.']) },
  { name: 'lint and the walls between folders', run: () => tool('eslint', ['.']) },
  { name: 'format', run: () => tool('prettier', ['--check', '--log-level=warn', '.']) },
]

// Side by side, since most are programs of their own; told in the order of the list.
const outcomes = await Promise.allSettled(CHECKS.map(({ run }) => run()))
outcomes.forEach((outcome, index) => {
  const { name } = CHECKS[index]!
  if (outcome.status === 'fulfilled') {
    console.log(`ok      ${name}`)
    return
  }
  const reason: unknown = outcome.reason
  console.error(`FAILED  ${name}\n${reason instanceof Error ? reason.message : String(reason)}\n`)
})
process.exit(outcomes.every(({ status }) => status === 'fulfilled') ? 0 : 1)

function refuseBreakingChanges(): Promise<void> {
  return refuseBreaks({ directory: join(packageRoot, 'openapi'), today: new Date() })
}

async function refuseStaleGenerated(): Promise<void> {
  const fresh = await mkdtemp(join(tmpdir(), 'parley-generated-'))
  try {
    await generate(fresh)
    const committed = join(packageRoot, 'generated')
    await run('diff', ['-rq', fresh, committed]).catch((cause: unknown) => {
      throw new Error('generated/ is stale: run "npm run generate" and commit the result.', {
        cause,
      })
    })
  } finally {
    await rm(fresh, { recursive: true })
  }
}

async function refuseDrift(): Promise<void> {
  const sql = await pendingMigrationSql()
  if (sql === '') return
  throw new Error(
    `prisma/migrations does not match the schema. Run "npm run migration -- <name>" to add:\n${sql}`,
  )
}

function tool(name: string, parameters: string[]): Promise<void> {
  return run(join(packageRoot, 'node_modules/.bin', name), parameters)
}

function run(command: string, parameters: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, parameters, { cwd: packageRoot })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0) resolve()
      else reject(new Error(output.trim()))
    })
  })
}
