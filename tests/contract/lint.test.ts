import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { packageRoot } from '../../src/lib/package-root.ts'
import { edited, tinyContract } from '../support/contract/tiny-contract.ts'
import { BUILT_IN_RULES } from './lint-built-in.cases.ts'
import { OPERATION_RULES } from './lint-operations.cases.ts'
import { SCHEMA_RULES } from './lint-schemas.cases.ts'

/*
 * Each rule is tested with a document that breaks it in one place. All documents are linted in one
 * run, with the command and configuration of `npm run check`.
 */

const OWN_RULES = [...SCHEMA_RULES, ...OPERATION_RULES]
const CASES = [
  ...OWN_RULES.map(([rule, what, edits]) => ({ rule: `parley/${rule}`, what, edits })),
  ...BUILT_IN_RULES.map(([rule, what, edits]) => ({ rule, what, edits })),
]

let directory: string
let violations: Map<string, string[]>

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'parley-lint-'))
  const documents = [tinyContract(), ...CASES.map(({ edits }) => edited(edits))]
  const files = documents.map((_, index) => join(directory, `${index}.json`))
  await Promise.all(files.map((file, index) => writeFile(file, JSON.stringify(documents[index]))))
  violations = await lint(files)
}, 60_000)

afterAll(() => rm(directory, { recursive: true }))

test('a document that keeps every rule has no violations', () => {
  expect(violations.get('0.json') ?? []).toEqual([])
})

test.each(CASES.map(({ rule, what }, index) => [rule, what, index] as const))(
  '%s reports %s',
  (rule, _, index) => {
    expect(violations.get(`${index + 1}.json`) ?? []).toContain(rule)
  },
)

test('every rule of the plugin is tested here', async () => {
  const tested = new Set(OWN_RULES.map(([rule]) => rule))

  const files = await readdir(join(packageRoot, 'openapi/lint'))

  expect(files).toContain('plugin.js')

  const plugin = (await import(join(packageRoot, 'openapi/lint/plugin.js'))) as {
    default: () => { rules: { oas3: Record<string, unknown> } }
  }
  expect([...tested].sort()).toEqual(Object.keys(plugin.default().rules.oas3).sort())
})

type Violation = { ruleId: string; location: { source: { ref: string } }[] }

/** Returns the violated rules by file name. */
async function lint(files: string[]): Promise<Map<string, string[]>> {
  const redocly = join(packageRoot, 'node_modules/.bin/redocly')
  const settings = ['--format=json', '--max-problems=10000', '--config=redocly.yaml']
  const output = await promisify(execFile)(redocly, ['lint', ...settings, ...files], {
    cwd: packageRoot,
    maxBuffer: 64 * 1024 * 1024,
  }).catch((error: unknown) => error as { stdout: string })
  const found = new Map<string, string[]>()
  for (const { problems } of reports(output.stdout)) {
    for (const { ruleId, location } of problems) {
      const file = basename(location[0]!.source.ref)
      found.set(file, [...(found.get(file) ?? []), ruleId])
    }
  }
  return found
}

/** Reads redocly's output: one JSON object for each file, without separators. */
function reports(output: string): { problems: Violation[] }[] {
  return JSON.parse(`[${output.replaceAll(/^\}\{$/gm, '},{')}]`) as { problems: Violation[] }[]
}
