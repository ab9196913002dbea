import { execFile } from 'node:child_process'
import {
  chmod,
  chown,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { rotateKeys } from '../../src/commands/actions/key-rotation.ts'
import { readConfig } from '../../src/config/config.ts'
import { systemClock } from '../../src/ports/clock/clock.ts'
import { overlapFor, rotateSigningKeys } from '../../src/ports/keys/key-rotation.ts'
import {
  newSigningKeysText,
  parseSigningKeys,
  type SigningKeys,
} from '../../src/ports/keys/signing-keys.ts'
import { JumpingClock } from '../support/clock/jumping-clock.ts'
import { TestClock } from '../support/clock/clock.ts'
import { until } from '../support/clock/until.ts'

const SCRIPT = join(import.meta.dirname, '../../src/commands/rotate-keys.ts')
const TSX = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href

type Jwk = { kid: string; d?: string; activeFrom?: number; retiredAt?: number }

const OVERLAP = { kind: 'with-overlap', overlapSeconds: 3600 } as const
const LEAD = 60

let folder: string
let file: string
let clock: TestClock
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-rotation-'))
  file = join(folder, 'keys.json')
  clock = new TestClock('2026-01-01T00:00:00.000Z')
  await writeFile(file, await newSigningKeysText(), { mode: 0o600 })
})
afterEach(async () => {
  await rm(folder, { recursive: true })
})

const seconds = () => Math.ceil(clock.now().getTime() / 1000)
const read = async () => (JSON.parse(await readFile(file, 'utf8')) as { keys: Jwk[] }).keys
const keysNow = async () => parseSigningKeys(await readFile(file, 'utf8'), 'keys.json', clock)

describe('a rotation', () => {
  test('puts a new key first that signs in a minute; the former signs until then', async () => {
    const [former] = await read()
    await rotateSigningKeys(file, OVERLAP, clock)
    const [next, ...others] = await read()
    expect(next!.activeFrom).toBe(seconds() + LEAD)
    expect(next).not.toHaveProperty('retiredAt')
    expect(others).toEqual([{ ...former, retiredAt: seconds() + LEAD + 3600 }])
    expect((await keysNow()).signing.kid).toBe(former!.kid)

    await clock.advance(LEAD * 1000)
    expect((await keysNow()).signing.kid).toBe(next!.kid)
  })

  test('keeps the private half of no key that will not sign again', async () => {
    await rotateSigningKeys(file, OVERLAP, clock)
    await clock.advance(LEAD * 1000)
    const [signer, former] = await read()

    await rotateSigningKeys(file, OVERLAP, clock)
    const { d: _d, ...publicHalf } = former!

    expect((await read()).slice(1)).toEqual([
      { ...signer, retiredAt: seconds() + LEAD + 3600 },
      publicHalf,
    ])
  })

  test('before the last new key signs keeps both ways open', async () => {
    await rotateSigningKeys(file, OVERLAP, clock)
    const [pending, signer] = await read()
    await clock.advance(30_000)
    await rotateSigningKeys(file, OVERLAP, clock)
    const [next, ...others] = await read()
    expect(others).toEqual([{ ...pending, retiredAt: seconds() + LEAD + 3600 }, signer])

    const kids = [(await keysNow()).signing.kid]
    await clock.advance(30_000)
    kids.push((await keysNow()).signing.kid)
    await clock.advance(30_000)
    kids.push((await keysNow()).signing.kid)
    expect(kids).toEqual([signer!.kid, pending!.kid, next!.kid])
  })

  test('drops the keys whose time is over', async () => {
    const [first] = await read()
    await rotateSigningKeys(file, OVERLAP, clock)
    await clock.advance((LEAD + 3600) * 1000)

    await rotateSigningKeys(file, OVERLAP, clock)

    expect((await read()).map(({ kid }) => kid)).not.toContain(first!.kid)
    expect(await read()).toHaveLength(2)
  })

  test('of a file whose keys are all retired signs at once', async () => {
    const [only] = await read()
    await writeFile(file, JSON.stringify({ keys: [{ ...only, retiredAt: seconds() }] }))
    await rotateSigningKeys(file, OVERLAP, clock)

    const [next, ...others] = await read()

    expect(next).not.toHaveProperty('activeFrom')
    expect(others).toEqual([])
  })

  test('at once leaves the new key alone, and it signs', async () => {
    await rotateSigningKeys(file, OVERLAP, clock)
    const before = (await read()).map(({ kid }) => kid)
    await rotateSigningKeys(file, { kind: 'at-once' }, clock)

    const after = await read()

    expect(after).toHaveLength(1)
    expect(before).not.toContain(after[0]!.kid)
    expect((await keysNow()).signing.kid).toBe(after[0]!.kid)
  })

  test('lets former keys verify for an hour, or as long as tokens live', () => {
    expect(overlapFor(900)).toBe(3600)
    expect(overlapFor(86_400)).toBeGreaterThan(86_400)
  })

  test('at any times, however often: who signs was known for a minute and verifies to the end', async () => {
    const pauses = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 6 })
    const judge = async (steps: number[]) => {
      await writeFile(file, await newSigningKeysText())
      const watch = watchKeys((await read())[0]!.kid)
      for (const pause of steps) {
        const rotation = { kind: 'with-overlap', overlapSeconds: watch.overlapSeconds } as const
        const text = await rotateSigningKeys(file, rotation, watch.time)
        await watch.pass(text, pause)
      }
    }
    await fc.assert(fc.asyncProperty(pauses, judge), { numRuns: 15 })
  })
})

/** Holds keys against the promise of a rotation, in steps of 10 s. */
function watchKeys(first: string) {
  const time = new JumpingClock('2026-01-01T00:00:00.000Z')
  const overlapSeconds = 100
  const knownSince = new Map([[first, -Infinity]])
  const verifiesUntil = new Map<string, number>()
  const check = (keys: SigningKeys) => {
    const now = time.now().getTime() / 1000
    for (const { kid } of keys.publicJwks().keys) {
      if (!knownSince.has(kid!)) knownSince.set(kid!, now)
    }
    const { kid } = keys.signing
    expect(now - knownSince.get(kid)!).toBeGreaterThanOrEqual(LEAD)
    verifiesUntil.set(kid, now + overlapSeconds)
    const due = [...verifiesUntil].filter(([, end]) => now < end)
    for (const [known] of due) expect(keys.findVerifying(known)).toBeDefined()
  }
  const pass = async (text: string, steps: number) => {
    const keys = await parseSigningKeys(text, 'keys.json', time)
    for (let step = 0; step <= steps; step += 1) {
      check(keys)
      time.jump(10_000)
    }
  }
  return { time, overlapSeconds, pass }
}

describe('the file', () => {
  test('stays its owner’s alone, and nothing is left beside it', async () => {
    await rotateSigningKeys(file, OVERLAP, clock)

    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect(await readdir(folder)).toEqual(['keys.json'])
  })

  test('is replaced, never written over: who has it open goes on reading the former one', async () => {
    const before = await readFile(file, 'utf8')
    const reader = await open(file, 'r')

    try {
      await rotateSigningKeys(file, OVERLAP, clock)
      expect(await reader.readFile('utf8')).toBe(before)
    } finally {
      await reader.close()
    }

    expect(await read()).toHaveLength(2)
  })

  test.runIf(process.getuid?.() === 0)('keeps its owner when root rotates', async () => {
    await chown(file, 12_345, 12_346)

    await rotateSigningKeys(file, OVERLAP, clock)

    expect(await stat(file)).toMatchObject({ uid: 12_345, gid: 12_346 })
  })

  test('behind a link is replaced, and the link stays', async () => {
    const linked = join(folder, 'link.json')
    await symlink('keys.json', linked)

    await rotateSigningKeys(linked, OVERLAP, clock)

    expect(await read()).toHaveLength(2)
    expect(await readFile(linked, 'utf8')).toBe(await readFile(file, 'utf8'))
  })

  test.each<[string, () => Promise<unknown>, RegExp]>([
    ['that others may read', () => chmod(file, 0o644), /chmod 600/],
    ['that is missing', () => rm(file), /npm run secrets/],
    ['that is cut off', () => writeFile(file, '{"keys": [{"kty'), /not JSON/],
    ['without keys', () => writeFile(file, '{"keys": []}'), /no keys/],
  ])('%s is refused, and stays as it is', async (_what, change, message) => {
    await change()
    const text = () => readFile(file, 'utf8').catch(() => undefined)

    const before = await text()

    for (const kind of [OVERLAP, { kind: 'at-once' } as const]) {
      await expect(rotateSigningKeys(file, kind, clock)).rejects.toThrow(message)
    }
    expect(await text()).toBe(before)
    expect(await readdir(folder)).toEqual(before === undefined ? [] : ['keys.json'])
  })

  test('loses no key when several rotate it at the same moment', async () => {
    const texts = await Promise.all(
      Array.from({ length: 5 }, () => rotateSigningKeys(file, OVERLAP, systemClock)),
    )
    const made = texts.map((text) => (JSON.parse(text) as { keys: Jwk[] }).keys[0]!.kid)

    const kept = (await read()).map(({ kid }) => kid)

    expect(kept).toHaveLength(6)
    expect(kept).toEqual(expect.arrayContaining(made))
    expect(await readdir(folder)).toEqual(['keys.json'])
  })

  test('is free again after a rotation was killed, and its draft is gone', async () => {
    const draft = `${file}.3f1b0f6e-6c5a-4a51-9a43-0b7f8a3f2c11.tmp`
    await writeFile(draft, 'half of a k')
    await writeFile(`${file}.lock`, 'of a killed process')
    let done = false
    const rotation = rotateSigningKeys(file, OVERLAP, clock).then(() => (done = true))
    await clock.advance(5_000)
    expect(await read()).toHaveLength(1)

    await until(async () => {
      await clock.advance(100)
      return done
    })
    await rotation
    expect(await read()).toHaveLength(2)
    expect(await readdir(folder)).toEqual(['keys.json'])
  })
})

describe('npm run rotate-keys', () => {
  // In a folder of its own, so that no developer's .env leads it to real keys.
  const run = (args: string[], env: Record<string, string>) =>
    promisify(execFile)(process.execPath, ['--import', TSX, SCRIPT, ...args], {
      cwd: folder,
      env: { PATH: process.env['PATH'], ...env },
    })
  const rotate = (args: string[], env: Record<string, string> = {}) =>
    rotateKeys(args, readConfig({ DATA_DIR: folder, ...env }, []))

  test('rotates the file of the configuration or the given one, and shows no key', async () => {
    const byFolder = join(folder, 'signing-keys.json')
    await writeFile(byFolder, await newSigningKeysText(), { mode: 0o600 })
    const { stdout } = await run([], { DATA_DIR: folder })
    const said = [
      { report: stdout },
      await rotate(['--overlap-seconds', '7'], { SIGNING_KEYS_FILE: file }),
      await rotate(['--file', file, '--overlap-seconds', '8']),
    ]
    const inFolder = (JSON.parse(await readFile(byFolder, 'utf8')) as { keys: Jwk[] }).keys
    expect(inFolder).toHaveLength(2)

    const keys = await read()
    expect(keys.map(({ retiredAt }) => retiredAt !== undefined)).toEqual([false, true, true])
    expect(keys[2]!.retiredAt! - keys[1]!.activeFrom!).toBe(7)
    expect(keys[1]!.retiredAt! - keys[0]!.activeFrom!).toBe(8)

    const text = JSON.stringify(said)
    for (const { kid } of keys) expect(text).toContain(kid)
    for (const { d } of [...keys, ...inFolder]) expect(text).not.toContain(d)
    expect(said.map((one) => 'warning' in one)).toEqual([false, true, true])

    await rotate(['--file', file, '--at-once'])
    expect(await read()).toHaveLength(1)
  }, 60_000)

  test('refuses what it does not understand, and leaves the file', async () => {
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
