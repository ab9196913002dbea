import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makeSecretFile } from '../../src/ports/keys/secret-file.ts'
import { deriveKey, loadServerSecret } from '../../src/ports/keys/server-secret.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-keys-'))
})
afterEach(async () => {
  await rm(folder, { recursive: true })
})

describe('the server secret', () => {
  test('is created once, with 32 bytes, readable for the owner only', async () => {
    const source = { given: undefined, dataDir: folder }

    const secret = await loadServerSecret(source)

    expect(Buffer.from(secret, 'base64url')).toHaveLength(32)
    expect(await loadServerSecret(source)).toBe(secret)
    expect((await stat(join(folder, 'server-secret'))).mode & 0o777).toBe(0o600)
  })

  test('is the given one, and no file is created', async () => {
    expect(await loadServerSecret({ given: 'x'.repeat(32), dataDir: folder })).toBe('x'.repeat(32))
    expect(await readdir(folder)).toEqual([])
  })

  test('is not created beside existing data; the start is refused', async () => {
    const source = { given: undefined, dataDir: folder, hasData: true }

    await expect(loadServerSecret(source)).rejects.toThrow(/missing beside existing data/)
    expect(await readdir(folder)).toEqual([])
  })

  test('is refused when it differs from the secret of the existing data', async () => {
    const kept = await loadServerSecret({ given: undefined, dataDir: folder })
    const source = { dataDir: folder, hasData: true }

    await expect(loadServerSecret({ ...source, given: 'x'.repeat(32) })).rejects.toThrow(
      /differs from the secret in/,
    )
    expect(await loadServerSecret({ ...source, given: kept })).toBe(kept)
  })

  test('is refused and not replaced when its file is damaged', async () => {
    const file = join(folder, 'server-secret')

    await writeFile(file, 'cut', { mode: 0o600 })

    await expect(loadServerSecret({ given: undefined, dataDir: folder })).rejects.toThrow('backup')
    expect(await readFile(file, 'utf8')).toBe('cut')
  })

  test('yields a different key for each purpose, always the same', () => {
    const purposes = ['passwords', 'refresh-tokens', 'api-keys', 'cursors'] as const
    const keys = purposes.map((purpose) => deriveKey('x'.repeat(32), purpose).toString('hex'))

    expect(new Set(keys).size).toBe(4)
    // Pinned: another derivation would invalidate every stored hash and token.
    expect(keys[0]).toBe('a564808c0ba04cc0de338d88af5b8c9b49bce398a1ec00ce5ce5f13f5e13e186')
    expect(deriveKey('y'.repeat(32), 'passwords').toString('hex')).not.toBe(keys[0])
  })
})

describe('a secret file', () => {
  test('does not overwrite an existing one', async () => {
    const file = join(folder, 'secret')

    expect(await makeSecretFile(file, 'first')).toBe(true)
    expect(await makeSecretFile(file, 'second')).toBe(false)
    expect(await readFile(file, 'utf8')).toBe('first')
    expect(await readdir(folder)).toEqual(['secret'])
  })
})
