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

describe('what the build has read of the contract', () => {
  test('is what the contract says, to the last word', () => {
    keepParsed(contract.yaml, parse(contract.yaml), directory)

    expect(findParsed(contract.yaml, directory)).toStrictEqual(parse(contract.yaml))
  })

  test('is not used once one letter of the contract has changed', () => {
    keepParsed(contract.yaml, parse(contract.yaml), directory)

    expect(findParsed(`${contract.yaml} `, directory)).toBeUndefined()
  })

  test('is not missed, and not used where it is broken', async () => {
    expect(findParsed(contract.yaml, directory)).toBeUndefined()

    keepParsed(contract.yaml, {}, directory)
    await writeFile(join(directory, 'dist/contract.json'), '{"sha256":')
    expect(findParsed(contract.yaml, directory)).toBeUndefined()
  })
})
