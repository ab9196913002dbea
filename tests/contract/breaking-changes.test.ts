import { beforeAll, describe, expect, test } from 'vitest'
import type { Comparison } from '../../scripts/contract-gate/compare.ts'
import { BREAKING, BREAKING_ALONE } from './breaking-changes.cases.ts'
import { compareAll, compareAlone } from './contract-comparison.ts'
import { HARMLESS, HARMLESS_ALONE } from './harmless-changes.cases.ts'

describe('a change of an operation or a schema', () => {
  let verdicts: Map<string, Comparison>

  beforeAll(async () => {
    verdicts = await compareAll([...BREAKING, ...HARMLESS])
  }, 60_000)

  test.each(BREAKING)('breaks clients: %s', (what) => {
    expect(verdicts.get(what)!.breaks).not.toEqual([])
  })

  test.each(HARMLESS)('breaks no client: %s', (what) => {
    expect(verdicts.get(what)!.breaks).toEqual([])
  })

  test.each(['a description changes', 'nothing changes'])('adds nothing: %s', (what) => {
    expect(verdicts.get(what)!.additions).toEqual([])
  })

  test.each(['a path is added', 'an operation is removed after its x-sunset'])(
    'counts as an addition: %s',
    (what) => expect(verdicts.get(what)!.additions).not.toEqual([]),
  )
})

describe('a change of the whole document', () => {
  test.each(BREAKING_ALONE)('breaks clients: %s', async (_what, edits, before) => {
    expect((await compareAlone(edits, before)).breaks).not.toEqual([])
  })

  test.each(HARMLESS_ALONE)('breaks no client: %s', async (_what, edits, before) => {
    expect((await compareAlone(edits, before)).breaks).toEqual([])
  })
})
