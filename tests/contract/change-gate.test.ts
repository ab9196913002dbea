import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { refuseBreaks, release, writeChanges } from '../../scripts/contract-gate/gate.ts'
import { type Edits, edited, tinyContract } from '../support/contract/tiny-contract.ts'
import { TODAY } from './contract-comparison.ts'
import { GET_THING, NAME } from './contract-edits.ts'

describe('the change gate', () => {
  let directory: string
  const gate = () => ({ directory, today: TODAY })
  const write = (edits: Edits) => {
    return writeFile(join(directory, 'api.yaml'), JSON.stringify(edited(edits)))
  }
  const changelog = () => readFile(join(directory, 'CHANGELOG.md'), 'utf8')
  const version = (text: string): Edits => ({ 'info version': text })
  const addition: Edits = { 'paths /stuff': { get: GET_THING } }

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'parley-gate-'))
    await write({})
    await release(gate())
  })

  afterEach(() => rm(directory, { recursive: true }))

  test('takes the first release as it is written', async () => {
    const released = await readFile(join(directory, 'releases/1.0.0.yaml'), 'utf8')

    expect(JSON.parse(released)).toEqual(tinyContract())
    expect(await changelog()).toContain('## 1.0.0 (2026-11-23)\n\nThe first release.')
    await expect(refuseBreaks(gate())).resolves.toBeUndefined()
  })

  test('allows every change before the first release', async () => {
    await rm(join(directory, 'releases'), { recursive: true })
    await write({ 'paths /events': undefined })

    await expect(refuseBreaks(gate())).resolves.toBeUndefined()
  })

  test('refuses to release an unchanged contract', async () => {
    await expect(release(gate())).rejects.toThrow('Nothing has changed since 1.0.0.')
  })

  test('names every breaking change, whichever version the document has', async () => {
    const edits = { 'getThing x-scopes': ['all'], 'getThing operationId': 'readThing' }

    await write({ ...edits, ...version('1.1.0') })

    for (const run of [refuseBreaks, writeChanges, release]) {
      await expect(run(gate())).rejects.toThrow(/GET \/things.*scope all[^]*readThing/)
    }
  })

  test('requires the next minor version, a changelog entry and a release for an addition', async () => {
    await write(addition)
    await expect(refuseBreaks(gate())).rejects.toThrow('Set it to 1.1.0 and run npm run changelog')

    await write({ ...addition, ...version('1.1.0') })
    await expect(refuseBreaks(gate())).rejects.toThrow('does not describe 1.1.0')

    await writeChanges(gate())
    await expect(refuseBreaks(gate())).resolves.toBeUndefined()
    expect(await changelog()).toContain('## 1.1.0 (not released yet)\n\n- `/stuff`: added')

    await release(gate())
    expect(await changelog()).toMatch(/## 1\.1\.0 \(2026-11-23\)[^]*## 1\.0\.0/)

    await write(version('1.1.0'))
    await expect(refuseBreaks(gate())).rejects.toThrow('These changes break clients of 1.1.0')
  })

  test('requires a new changelog entry after a later addition', async () => {
    await write({ ...addition, ...version('1.1.0') })
    await writeChanges(gate())

    await write({ ...addition, ...version('1.1.0'), 'schemas Thing properties size': NAME })

    await expect(refuseBreaks(gate())).rejects.toThrow('does not describe 1.1.0')
  })

  test('allows changed descriptions immediately and releases them as a patch version', async () => {
    const words = { 'getThing description': 'Better words.' }

    await write(words)

    await expect(refuseBreaks(gate())).resolves.toBeUndefined()
    await expect(release(gate())).rejects.toThrow('info.version must be 1.0.1, not 1.0.0')

    await write({ ...words, ...version('1.1.0') })
    await expect(release(gate())).rejects.toThrow('info.version must be 1.0.1, not 1.1.0')

    await write({ ...words, ...version('1.0.1') })
    await expect(release(gate())).resolves.toBe('1.0.1')
  })

  test('refuses a breaking change under a new major version without a new path prefix', async () => {
    await write({ 'paths /events': undefined, ...version('2.0.0') })

    await expect(refuseBreaks(gate())).rejects.toThrow('requires a server whose path ends in /v2')
  })
})
