import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { rotateKeys } from '../../src/commands/actions/key-rotation.ts'
import { readConfig } from '../../src/config/config.ts'
import { newSigningKeysText } from '../../src/ports/keys/signing-keys.ts'
import { file, folder, readKeys } from './key-rotation.given.ts'

const SCRIPT = join(import.meta.dirname, '../../src/commands/rotate-keys.ts')
const TSX = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href

describe('npm run rotate-keys', () => {
  // In its own folder, so that no developer's .env leads to real keys.
  const run = (args: string[], env: Record<string, string>) =>
    promisify(execFile)(process.execPath, ['--import', TSX, SCRIPT, ...args], {
      cwd: folder,
      env: { PATH: process.env['PATH'], ...env },
    })
  const rotate = (args: string[], env: Record<string, string> = {}) =>
    rotateKeys(args, readConfig({ DATA_DIR: folder, ...env }, []))

  test('rotates the configured or the given file and prints no private key', async () => {
    const byFolder = join(folder, 'signing-keys.json')
    await writeFile(byFolder, await newSigningKeysText(), { mode: 0o600 })

    const { stdout } = await run([], { DATA_DIR: folder })
    const outputs = [
      { report: stdout },
      await rotate(['--overlap-seconds', '7'], { SIGNING_KEYS_FILE: file }),
      await rotate(['--file', file, '--overlap-seconds', '8']),
    ]

    const inFolder = await readKeys(byFolder)
    expect(inFolder).toHaveLength(2)
    const keys = await readKeys()
    expect(keys.map(({ retiredAt }) => retiredAt !== undefined)).toEqual([false, true, true])
    expect(keys[2]!.retiredAt! - keys[1]!.activeFrom!).toBe(7)
    expect(keys[1]!.retiredAt! - keys[0]!.activeFrom!).toBe(8)

    const text = JSON.stringify(outputs)
    for (const { kid } of keys) expect(text).toContain(kid)
    for (const { d } of [...keys, ...inFolder]) expect(text).not.toContain(d)
    expect(outputs.map((one) => 'warning' in one)).toEqual([false, true, true])

    await rotate(['--file', file, '--at-once'])
    expect(await readKeys()).toHaveLength(1)
  }, 60_000)

  test('refuses invalid options and leaves the file unchanged', async () => {
    const before = await readFile(file, 'utf8')
    for (const args of [
      ['--overlap-seconds', '-1'],
      ['--overlap-seconds=soon'],
      ['--at-once', '--overlap-seconds', '5'],
      ['--atonce'],
    ]) {
      await expect(rotate(['--file', file, ...args])).rejects.toThrow(/overlap|atonce/)
    }
    await expect(rotate(['--file', join(folder, 'none.json')])).rejects.toThrow('does not exist')

    const failure = run(['--file', file, '--atonce'], {})
    await expect(failure).rejects.toMatchObject({ code: 1, stdout: '' })
    expect(await readFile(file, 'utf8')).toBe(before)
  }, 60_000)
})
