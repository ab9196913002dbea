import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseEnv, promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadSigningKeys } from '../../src/ports/keys/signing-keys.ts'
import { createLog } from '../../src/ports/observability/log.ts'
import { TestClock } from '../support/clock/clock.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-keys-'))
})
afterEach(async () => {
  await rm(folder, { recursive: true })
})

describe('npm run secrets', () => {
  const run = (file: string) =>
    promisify(execFile)(process.execPath, ['--import', 'tsx', 'src/commands/secrets.ts', file])

  test('creates a key file, prints two lines for .env, and refuses to overwrite the file', async () => {
    const file = join(folder, 'signing-keys.json')

    const { stdout } = await run(file)

    const env = parseEnv(stdout)
    expect(Object.keys(env).sort()).toEqual(['SERVER_SECRET', 'SIGNING_KEYS_FILE'])
    expect(Buffer.byteLength(env.SERVER_SECRET!)).toBeGreaterThanOrEqual(32)
    await expect(
      loadSigningKeys(
        { file: env.SIGNING_KEYS_FILE, dataDir: folder },
        { clock: new TestClock(), log: createLog('silent') },
      ),
    ).resolves.toBeDefined()

    const before = await readFile(file, 'utf8')
    await expect(run(file)).rejects.toMatchObject({ code: 1, stdout: '' })
    expect(await readFile(file, 'utf8')).toBe(before)
  })
})
