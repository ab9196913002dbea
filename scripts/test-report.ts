/**
 * Reads a report of vitest's JSON reporter, for `.ci/run`.
 *
 *     tsx scripts/test-report.ts counts FILE     prints how many tests passed and how many failed
 *     tsx scripts/test-report.ts files FILE      prints the files with a failed test
 *     tsx scripts/test-report.ts failures FILE   prints each failed test with its messages
 */
import { readFileSync } from 'node:fs'
import { relative } from 'node:path'

interface Report {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly success: boolean
  readonly testResults: readonly TestFile[]
}

interface TestFile {
  readonly name: string
  readonly status: string
  readonly message: string
  readonly assertionResults: readonly {
    readonly status: string
    readonly fullName: string
    readonly failureMessages: readonly string[]
  }[]
}

const [what, file = ''] = process.argv.slice(2)
const report = JSON.parse(readFileSync(file, 'utf8')) as Report
if (what === 'counts') console.log(counts(report))
if (what === 'files') console.log(failedFiles(report).join(' '))
if (what === 'failures') console.log(report.testResults.flatMap(failures).join('\n'))

/** A run that failed although no test did, such as for its coverage, counts as one failure. */
function counts({ numPassedTests: passed, numFailedTests: failed, success }: Report): string {
  return `${String(passed)} ${String(failed === 0 && !success ? 1 : failed)}`
}

function failedFiles({ testResults }: Report): string[] {
  const failed = testResults.filter(({ status }) => status === 'failed')
  return failed.map(({ name }) => relative(process.cwd(), name))
}

function failures({ name, status, message, assertionResults }: TestFile): string[] {
  const path = relative(process.cwd(), name)
  const failed = assertionResults.filter((result) => result.status === 'failed')
  if (failed.length === 0) return status === 'failed' ? [`${path}\n  ${message}`] : []
  return failed.map((test) => `${path}: ${test.fullName}\n  ${test.failureMessages.join('\n  ')}`)
}
