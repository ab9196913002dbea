import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { packageRoot } from '../../src/lib/package-root.ts'
import { caseOf, familiesOf, upstreamCases } from '../support/upstream/upstream-cases.ts'
import { familiesIn, withCases } from '../support/upstream/upstream-table.ts'

const DOCUMENT = join(packageRoot, 'docs/upstreams.md')
const VALID_CASE = {
  source: 'https://example.com/an-issue',
  fact: 'A server of this make says nothing but this one thing.',
  replies: [{ stream: 'data: [DONE]\n\n' }],
  parley: { text: '', finishReason: 'stop', usage: { source: 'estimated' } },
}
const named = { family: 'any', name: 'one', file: 'any/one.yaml' }

const cases = await upstreamCases()
const document = await readFile(DOCUMENT, 'utf8')

test('docs/upstreams.md has a row for every family of the cases, and no other', () => {
  expect(familiesIn(document).sort()).toEqual([...familiesOf(cases).keys()].sort())
})

test('docs/upstreams.md lists the cases of the files (npx vitest run tests/engine/upstream-files.test.ts -u)', async () => {
  await expect(withCases(document, cases)).toMatchFileSnapshot(DOCUMENT)
})

test.each([
  ['no source', { source: undefined }],
  ['a source that is not a URL', { source: 'I saw it once' }],
  ['no fact', { fact: undefined }],
  ['no reply', { replies: [] }],
  ['a reply without a body', { replies: [{ status: 500 }] }],
  ['no expectation', { parley: undefined }],
  ['an expectation without usage', { parley: { ...VALID_CASE.parley, usage: undefined } }],
  ['a failure without retryable', { parley: { problem: 'upstream-failed' } }],
  ['an unknown key', { parlay: {} }],
  ['an unknown key in a reply', { replies: [{ ...VALID_CASE.replies[0], delay: 3 }] }],
])('a file with %s is refused', (_, change) => {
  expect(caseOf(asParsed(VALID_CASE), named)).toMatchObject(VALID_CASE)
  expect(() => caseOf(asParsed({ ...VALID_CASE, ...change }), named)).toThrow('any/one.yaml: /')
})

/** The value as a file contains it: without undefined fields. */
function asParsed(value: object): unknown {
  return JSON.parse(JSON.stringify(value))
}
