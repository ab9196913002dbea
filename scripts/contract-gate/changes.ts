import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ContractDocument } from '../../src/contract/document.ts'
import { packageRoot } from '../../src/lib/package-root.ts'

/** One difference between two documents, as `redocly diff --format=json` reports it. */
export type Change = {
  /** A JSON Pointer to the change, with every `$ref` followed. */
  path: string
  typeName: string
  kind: 'added' | 'removed' | 'modified'
  impact: 'major' | 'minor' | 'patch'
  /** The keyword that was modified; `key` for a name. */
  property?: string
  verdicts: { ruleId: string; message: string }[]
  base?: { pointer: string; value: unknown }
  revision?: { pointer: string; value: unknown }
}

type Report = { changes: Change[] }

/**
 * Returns every difference between two documents.
 * @throws if redocly cannot compare them, with its output, or if no diff rules are enabled
 */
export async function changesBetween(
  base: ContractDocument,
  revision: ContractDocument,
): Promise<Change[]> {
  const directory = await mkdtemp(join(tmpdir(), 'parley-diff-'))
  const [from, to, output] = ['base', 'revision', 'report'].map((name) => {
    return join(directory, `${name}.json`)
  }) as [string, string, string]
  try {
    await writeFile(from, JSON.stringify(base))
    await writeFile(to, JSON.stringify(revision))
    const said = await redocly('diff', from, to, '--format=json', '--fail-on=none', `-o${output}`)
    // Without these rules, redocly exits 0 and reports no change as breaking.
    if (said.includes('No diff rules are on')) throw new Error('redocly.yaml enables no diff rules')
    return (JSON.parse(await readFile(output, 'utf8')) as Report).changes
  } finally {
    await rm(directory, { recursive: true })
  }
}

function redocly(...parameters: string[]): Promise<string> {
  const command = join(packageRoot, 'node_modules/.bin/redocly')
  return new Promise((resolve, reject) => {
    const child = spawn(command, parameters, { cwd: packageRoot })
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
    child.on('error', reject)
    child.on('close', (code) => {
      if (code === 0) resolve(said)
      else reject(new Error(`redocly diff failed:\n${said.trim()}`))
    })
  })
}
