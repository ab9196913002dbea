import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { findParsed, keepParsed } from '../../src/contract/parsed-contract.ts'
import { contract } from '../support/contract/contract.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'parley-parsed-'))
})
afterEach(() => rm(directory, { recursive: true }))

describe('findParsed', () => {
  test('returns the contract as the build has parsed it', () => {
    keepParsed(contract.yaml, parse(contract.yaml), directory)

    expect(findParsed(contract.yaml, directory)).toStrictEqual(parse(contract.yaml))
  })

  test('returns undefined when one character of the contract has changed', () => {
    keepParsed(contract.yaml, parse(contract.yaml), directory)

    expect(findParsed(`${contract.yaml} `, directory)).toBeUndefined()
  })

  test('returns undefined when the build has stored nothing', () => {
    expect(findParsed(contract.yaml, directory)).toBeUndefined()
  })

  test('returns undefined when the stored file is broken', async () => {
    keepParsed(contract.yaml, {}, directory)
    await writeFile(join(directory, 'dist/contract.json'), '{"sha256":')

    expect(findParsed(contract.yaml, directory)).toBeUndefined()
  })
})
