import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { loadContract } from '../../../src/contract/document.ts'
import { countAnswers, declaredAnswers } from './declared-answers.ts'
import { UNSEEN } from './unseen-answers.ts'

/**
 * Counts which answers of the contract the suite has seen, prints the table, and fails the run of
 * the whole suite if one is missing.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), 'parley-answers-'))
  project.provide('seenAnswers', directory)
  return async () => {
    const seen = await readAll(directory)
    await rm(directory, { recursive: true, force: true })
    if (!(await ranWhole(project))) return
    const { table, mistakes } = countAnswers(declaredAnswers(loadContract().document), seen, UNSEEN)
    process.stdout.write(`\n${table}\n`)
    if (mistakes.length > 0) throw new Error(`Contract coverage:\n${mistakes.join('\n')}`)
  }
}

async function readAll(directory: string): Promise<Set<string>> {
  const files = await readdir(directory)
  const texts = await Promise.all(files.map((file) => readFile(join(directory, file), 'utf8')))
  return new Set(texts.flatMap((text) => text.split('\n')).filter(Boolean))
}

/** A part of the suite has not seen everything, and is not asked to. */
async function ranWhole(project: TestProject): Promise<boolean> {
  const { state, config } = project.vitest
  const { testFiles } = await project.globTestFiles()
  return state.getFiles().length === testFiles.length && !config.testNamePattern
}
