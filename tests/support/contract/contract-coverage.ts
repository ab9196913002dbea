import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { loadContract } from '../../../src/contract/document.ts'
import { countResponses, declaredResponses } from './declared-responses.ts'
import { UNSEEN } from './unseen-responses.ts'

/**
 * Counts the declared responses that the suite saw, prints the table, and fails a run of the whole
 * suite if one is missing.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), 'parley-responses-'))
  project.provide('seenResponses', directory)
  return async () => {
    const seen = await readAll(directory)
    await rm(directory, { recursive: true, force: true })
    if (!(await ranWholeSuite(project))) return
    const { table, mistakes } = countResponses(
      declaredResponses(loadContract().document),
      seen,
      UNSEEN,
    )
    process.stdout.write(`\n${table}\n`)
    if (mistakes.length > 0) throw new Error(`Contract coverage:\n${mistakes.join('\n')}`)
  }
}

async function readAll(directory: string): Promise<Set<string>> {
  const files = await readdir(directory)
  const texts = await Promise.all(files.map((file) => readFile(join(directory, file), 'utf8')))
  return new Set(texts.flatMap((text) => text.split('\n')).filter(Boolean))
}

/** A run of some files or tests is not expected to see every response. */
async function ranWholeSuite(project: TestProject): Promise<boolean> {
  const { state, config } = project.vitest
  const { testFiles } = await project.globTestFiles()
  return state.getFiles().length === testFiles.length && !config.testNamePattern
}
