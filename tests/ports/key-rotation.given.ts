import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach } from 'vitest'
import { newSigningKeysText, parseSigningKeys } from '../../src/ports/keys/signing-keys.ts'
import { TestClock } from '../support/clock/clock.ts'

export type Jwk = { kid: string; d?: string; activeFrom?: number; retiredAt?: number }

export const OVERLAP = { kind: 'with-overlap', overlapSeconds: 3600 } as const

/** How long a new key is published before it signs. */
export const LEAD_SECONDS = 60

/** A folder that contains only `file`. */
export let folder: string

/** A file with one signing key. */
export let file: string

export let clock: TestClock

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-rotation-'))
  file = join(folder, 'keys.json')
  clock = new TestClock('2026-01-01T00:00:00.000Z')
  await writeFile(file, await newSigningKeysText(), { mode: 0o600 })
})

afterEach(async () => {
  await rm(folder, { recursive: true })
})

export const nowSeconds = () => Math.ceil(clock.now().getTime() / 1000)

export async function readKeys(path = file): Promise<Jwk[]> {
  return (JSON.parse(await readFile(path, 'utf8')) as { keys: Jwk[] }).keys
}

export const parseFile = async () =>
  parseSigningKeys(await readFile(file, 'utf8'), 'keys.json', clock)
