import { beforeAll, describe, expect, test } from 'vitest'
import type { Comparison } from '../../scripts/contract-gate/compare.ts'
import {
  BREAKING,
  BREAKING_ALONE,
  HARMLESS,
  HARMLESS_ALONE,
  compareAll,
  compareAlone,
} from './change-gate.given.ts'

describe('inside an operation', () => {
  let verdicts: Map<string, Comparison>

  beforeAll(async () => {
    verdicts = await compareAll([...BREAKING, ...HARMLESS])
  }, 60_000)

  test.each(BREAKING)('breaks: %s', (what) => {
    expect(verdicts.get(what)!.breaks).not.toEqual([])
  })

  test.each(HARMLESS)('harmless: %s', (what) => {
    expect(verdicts.get(what)!.breaks).toEqual([])
  })

  test.each(['a description changes', 'nothing'])('no addition: %s', (what) => {
    expect(verdicts.get(what)!.additions).toEqual([])
  })

  test.each(['a path is added', 'an operation is removed after its x-sunset'])(
    'an addition: %s',
    (what) => expect(verdicts.get(what)!.additions).not.toEqual([]),
  )
})

describe('of the whole document', () => {
  test.each(BREAKING_ALONE)('breaks: %s', async (_, edits, before) => {
    expect((await compareAlone(edits, before)).breaks).not.toEqual([])
  })

  test.each(HARMLESS_ALONE)('harmless: %s', async (_, edits, before) => {
    expect((await compareAlone(edits, before)).breaks).toEqual([])
  })
})
