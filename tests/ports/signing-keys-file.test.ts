import {
  chmod,
  chown,
  open,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/ports/clock/clock.ts'
import { rotateSigningKeys } from '../../src/ports/keys/key-rotation.ts'
import { until } from '../support/clock/until.ts'
import { type Jwk, OVERLAP, clock, file, folder, readKeys } from './key-rotation.given.ts'

describe('the file of the signing keys', () => {
  test('stays readable for its owner only after a rotation, which leaves no other file', async () => {
    await rotateSigningKeys(file, OVERLAP, clock)

    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect(await readdir(folder)).toEqual(['keys.json'])
  })

  test('is replaced, not overwritten: a reader who has it open still reads the former keys', async () => {
    const before = await readFile(file, 'utf8')
    const reader = await open(file, 'r')

    try {
      await rotateSigningKeys(file, OVERLAP, clock)
      expect(await reader.readFile('utf8')).toBe(before)
    } finally {
      await reader.close()
    }

    expect(await readKeys()).toHaveLength(2)
  })

  test.runIf(process.getuid?.() === 0)('keeps its owner when root rotates the keys', async () => {
    await chown(file, 12_345, 12_346)

    await rotateSigningKeys(file, OVERLAP, clock)

    expect(await stat(file)).toMatchObject({ uid: 12_345, gid: 12_346 })
  })

  test('is replaced behind a symbolic link, which stays', async () => {
    const linked = join(folder, 'link.json')
    await symlink('keys.json', linked)

    await rotateSigningKeys(linked, OVERLAP, clock)

    expect(await readKeys()).toHaveLength(2)
    expect(await readFile(linked, 'utf8')).toBe(await readFile(file, 'utf8'))
  })

  test.each<[string, () => Promise<unknown>, RegExp]>([
    ['is readable for others', () => chmod(file, 0o644), /chmod 600/],
    ['is missing', () => rm(file), /npm run secrets/],
    ['is cut off', () => writeFile(file, '{"keys": [{"kty'), /not JSON/],
    ['has no keys', () => writeFile(file, '{"keys": []}'), /no keys/],
  ])('is refused and left unchanged when it %s', async (_what, change, message) => {
    await change()
    const text = () => readFile(file, 'utf8').catch(() => undefined)
    const before = await text()

    for (const kind of [OVERLAP, { kind: 'at-once' } as const]) {
      await expect(rotateSigningKeys(file, kind, clock)).rejects.toThrow(message)
    }
    expect(await text()).toBe(before)
    expect(await readdir(folder)).toEqual(before === undefined ? [] : ['keys.json'])
  })

  test('loses no key in concurrent rotations', async () => {
    const texts = await Promise.all(
      Array.from({ length: 5 }, () => rotateSigningKeys(file, OVERLAP, systemClock)),
    )
    const createdKids = texts.map((text) => (JSON.parse(text) as { keys: Jwk[] }).keys[0]!.kid)

    const storedKids = (await readKeys()).map(({ kid }) => kid)

    expect(storedKids).toHaveLength(6)
    expect(storedKids).toEqual(expect.arrayContaining(createdKids))
    expect(await readdir(folder)).toEqual(['keys.json'])
  })

  test('can be rotated again after a rotation was killed, which also removes the draft', async () => {
    const draft = `${file}.3f1b0f6e-6c5a-4a51-9a43-0b7f8a3f2c11.tmp`
    await writeFile(draft, 'half of a k')
    await writeFile(`${file}.lock`, 'of a killed process')
    let done = false
    const rotation = rotateSigningKeys(file, OVERLAP, clock).then(() => (done = true))

    await clock.advance(5_000)

    expect(await readKeys()).toHaveLength(1)

    await until(async () => {
      await clock.advance(100)
      return done
    })
    await rotation
    expect(await readKeys()).toHaveLength(2)
    expect(await readdir(folder)).toEqual(['keys.json'])
  })
})
