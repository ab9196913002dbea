import { chmod, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createLog } from '../../src/ports/observability/log.ts'
import { SecretFileMistake } from '../../src/ports/keys/secret-file.ts'
import {
  loadSigningKeys,
  newSigningKeysText,
  parseSigningKeys,
} from '../../src/ports/keys/signing-keys.ts'
import { TestClock } from '../support/clock/clock.ts'

const world = { clock: new TestClock(), log: createLog('silent') }
let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-keys-'))
})
afterEach(async () => {
  await rm(folder, { recursive: true })
})

type Jwk = Record<string, unknown>

async function newJwk(): Promise<Jwk> {
  return (JSON.parse(await newSigningKeysText()) as { keys: Jwk[] }).keys[0]!
}

const parse = (...keys: unknown[]) => parseSigningKeys(JSON.stringify({ keys }), 'keys.json')

describe('signing keys', () => {
  test('are created at the first start, readable for the owner only, and reused', async () => {
    const dataDir = join(folder, 'not', 'there', 'yet')
    const first = await loadSigningKeys({ file: undefined, dataDir }, world)

    const again = await loadSigningKeys({ file: undefined, dataDir }, world)

    expect(again.signing.kid).toBe(first.signing.kid)
    expect((await stat(join(dataDir, 'signing-keys.json'))).mode & 0o777).toBe(0o600)
    expect(await readdir(dataDir)).toEqual(['signing-keys.json'])
  })

  test('are the same for processes that start together', async () => {
    const starts = Array.from({ length: 8 }, () =>
      loadSigningKeys({ file: undefined, dataDir: folder }, world),
    )

    const kids = (await Promise.all(starts)).map((keys) => keys.signing.kid)

    expect(new Set(kids).size).toBe(1)
  })

  test('have their RFC 7638 thumbprint as `kid`, even if the file names another', async () => {
    const jwk = await newJwk()

    const keys = await parse({ ...jwk, kid: 'mine' })

    expect(keys.signing.kid).toBe(await calculateJwkThumbprint(jwk as { kty: string }))
  })

  test('are published without their private half', async () => {
    const keys = await parse(await newJwk(), await newJwk())

    for (const jwk of keys.publicJwks().keys) {
      expect(Object.keys(jwk).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x'])
    }
    expect(keys.publicJwks().keys).toHaveLength(2)
  })

  test('sign with the first key and verify with all, including one without a private half', async () => {
    const [current, { d: _retired, ...former }] = [await newJwk(), await newJwk()]

    const keys = await parse(current, former)

    expect(keys.signing.kid).toBe(current.kid)
    expect(keys.findVerifying(current.kid as string)).toBeDefined()
    expect(keys.findVerifying(former.kid as string)).toBeDefined()
    expect(keys.findVerifying('unknown')).toBeUndefined()
    expect(keys.findVerifying('constructor')).toBeUndefined()
  })

  test('sign from `activeFrom` and disappear at `retiredAt`, to the second', async () => {
    const clock = new TestClock('2026-01-01T00:00:00.000Z')
    const start = clock.now().getTime() / 1000
    const [next, former, last] = [await newJwk(), await newJwk(), await newJwk()]
    const text = JSON.stringify({
      keys: [{ ...next, activeFrom: start + 60 }, { ...former, retiredAt: start + 90 }, last],
    })
    const keys = await parseSigningKeys(text, 'keys.json', clock)
    const published = () => keys.publicJwks().keys.map(({ kid }) => kid)

    await clock.advance(59_999)

    expect(keys.signing.kid).toBe(former.kid)
    expect(published()).toEqual([next.kid, former.kid, last.kid])
    expect(keys.findVerifying(next.kid as string)).toBeDefined()

    await clock.advance(1)
    expect(keys.signing.kid).toBe(next.kid)

    await clock.advance(29_999)
    expect(keys.findVerifying(former.kid as string)).toBeDefined()

    await clock.advance(1)
    expect(keys.findVerifying(former.kid as string)).toBeUndefined()
    expect(published()).toEqual([next.kid, last.kid])
  })

  test('sign before `activeFrom` when no other key can, the earliest first', async () => {
    const clock = new TestClock('2026-01-01T00:00:00.000Z')
    const start = clock.now().getTime() / 1000
    const [later, sooner] = [await newJwk(), await newJwk()]
    const text = JSON.stringify({
      keys: [
        { ...later, activeFrom: start + 90 },
        { ...sooner, activeFrom: start + 60 },
        { ...(await newJwk()), retiredAt: start },
      ],
    })

    expect((await parseSigningKeys(text, 'keys.json', clock)).signing.kid).toBe(sooner.kid)
  })

  test('are refused at the start when all have retired', async () => {
    const file = join(folder, 'keys.json')
    const retired = { ...(await newJwk()), retiredAt: 1 }
    await writeFile(file, JSON.stringify({ keys: [retired] }), { mode: 0o600 })

    await expect(loadSigningKeys({ file, dataDir: folder }, world)).rejects.toThrow('rotate-keys')
  })

  test.each<[string, (jwk: Jwk) => unknown[], RegExp]>([
    ['no keys', () => [], /has no keys/],
    ['a first key that cannot sign', ({ d: _d, ...jwk }) => [jwk], /keys\[0\] signs/],
    ['the same key twice', (jwk) => [jwk, jwk], /same key twice/],
    ['an elliptic curve key', (jwk) => [{ ...jwk, kty: 'EC', crv: 'P-256' }], /must be an Ed25519/],
    ['a shared secret', () => [{ kty: 'oct', k: 'c2VjcmV0' }], /must be an Ed25519/],
    ['an X25519 key', (jwk) => [jwk, { ...jwk, crv: 'X25519' }], /keys\[1\] must be an Ed25519/],
    ['a short key', (jwk) => [{ ...jwk, x: 'AAAA' }], /"x" must be 32 bytes/],
    ['a private half that is not text', (jwk) => [{ ...jwk, d: 5 }], /"d" must be 32 bytes/],
    ['null', () => [null], /must be an Ed25519/],
    [
      'a time in words',
      (jwk) => [{ ...jwk, retiredAt: 'soon' }],
      /"retiredAt" must be a Unix time/,
    ],
    ['a time in milliseconds', (jwk) => [{ ...jwk, activeFrom: 1767225600000 }], /whole seconds/],
  ])(
    'are refused with the place of the mistake and without the key: %s',
    async (_what, change, message) => {
      const jwk = await newJwk()

      const failure = await parse(...change(jwk)).catch((error: unknown) => error)

      expect(failure).toBeInstanceOf(SecretFileMistake)
      expect((failure as Error).message).toMatch(message)
      expect((failure as Error).message).not.toContain(jwk.d)
    },
  )

  test('are refused when the halves of a key do not match', async () => {
    const [one, other] = [await newJwk(), await newJwk()]

    await expect(parse({ ...one, x: other.x })).rejects.toThrow('do not match')
  })

  test.each(['', 'not json', '[]', '{}', '{"keys":{}}', 'null'])(
    'are refused when their file contains %j',
    async (text) => {
      await expect(parseSigningKeys(text, 'keys.json')).rejects.toThrow(SecretFileMistake)
    },
  )

  test('are refused when others may open their file', async () => {
    const file = join(folder, 'keys.json')
    await writeFile(file, await newSigningKeysText())
    await chmod(file, 0o640)

    await expect(loadSigningKeys({ file, dataDir: folder }, world)).rejects.toThrow('chmod 600')
    await chmod(file, 0o600)
    await expect(loadSigningKeys({ file, dataDir: folder }, world)).resolves.toBeDefined()
  })

  test('are not created in a given file that does not exist', async () => {
    const file = join(folder, 'missing.json')

    await expect(loadSigningKeys({ file, dataDir: folder }, world)).rejects.toThrow(
      'npm run secrets',
    )
    expect(await readdir(folder)).toEqual([])
  })

  test('can come from other tools', async () => {
    const { privateKey } = await generateKeyPair('Ed25519', { extractable: true })
    const jwk = await exportJWK(privateKey)

    await expect(parse({ ...jwk, alg: 'Ed25519', use: 'sig' })).resolves.toBeDefined()
  })
})
