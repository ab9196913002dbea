import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { packageRoot } from '../../src/lib/package-root.ts'
import { caseOf, familiesOf, upstreamCases } from '../support/upstream/upstream-cases.ts'
import { familiesIn, withCases } from '../support/upstream/upstream-table.ts'

const DOCUMENT = join(packageRoot, 'docs/upstreams.md')
const SOUND = {
  source: 'https://example.com/an-issue',
  fact: 'A server of this make says nothing but this one thing.',
  replies: [{ stream: 'data: [DONE]\n\n' }],
  parley: { text: '', finishReason: 'stop', usage: { source: 'estimated' } },
}
const named = { family: 'any', name: 'one', file: 'any/one.yaml' }

const cases = await upstreamCases()
const document = await readFile(DOCUMENT, 'utf8')

test('every family of the corpus has a row for operators, and every row has cases', () => {
  expect(familiesIn(document).sort()).toEqual([...familiesOf(cases).keys()].sort())
})

test('the cases in docs/upstreams.md are those of the files (npx vitest run tests/engine/upstream-files.test.ts -u)', async () => {
  await expect(withCases(document, cases)).toMatchFileSnapshot(DOCUMENT)
})

test.each([
  ['no source', { source: undefined }],
  ['a source that is no address', { source: 'I saw it once' }],
  ['no fact', { fact: undefined }],
  ['no reply', { replies: [] }],
  ['a reply without a body', { replies: [{ status: 500 }] }],
  ['no expectation', { parley: undefined }],
  [
    'an expectation that says nothing of the tokens',
    { parley: { ...SOUND.parley, usage: undefined } },
  ],
  ['a failure that may or may not be final', { parley: { problem: 'upstream-failed' } }],
  ['an unknown key', { parlay: {} }],
  ['an unknown key within', { replies: [{ ...SOUND.replies[0], delay: 3 }] }],
])('a file with %s is no case', (_, change) => {
  expect(caseOf(plain(SOUND), named)).toMatchObject(SOUND)
  expect(() => caseOf(plain({ ...SOUND, ...change }), named)).toThrow('any/one.yaml: /')
})

/** As a file gives it: what is undefined is not there. */
function plain(value: object): unknown {
  return JSON.parse(JSON.stringify(value))
}
