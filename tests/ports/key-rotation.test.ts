import { writeFile } from 'node:fs/promises'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { overlapFor, rotateSigningKeys } from '../../src/ports/keys/key-rotation.ts'
import {
  newSigningKeysText,
  parseSigningKeys,
  type SigningKeys,
} from '../../src/ports/keys/signing-keys.ts'
import { JumpingClock } from '../support/clock/jumping-clock.ts'
import {
  LEAD_SECONDS,
  OVERLAP,
  clock,
  file,
  nowSeconds,
  parseFile,
  readKeys,
} from './key-rotation.given.ts'

describe('a rotation', () => {
  test('puts a new key first, which signs after a minute; the former one signs until then', async () => {
    const [former] = await readKeys()

    await rotateSigningKeys(file, OVERLAP, clock)

    const [next, ...others] = await readKeys()

    expect(next!.activeFrom).toBe(nowSeconds() + LEAD_SECONDS)
    expect(next).not.toHaveProperty('retiredAt')
    expect(others).toEqual([{ ...former, retiredAt: nowSeconds() + LEAD_SECONDS + 3600 }])
    expect((await parseFile()).signing.kid).toBe(former!.kid)

    await clock.advance(LEAD_SECONDS * 1000)
    expect((await parseFile()).signing.kid).toBe(next!.kid)
  })

  test('removes the private half of a key that does not sign again', async () => {
    await rotateSigningKeys(file, OVERLAP, clock)
    await clock.advance(LEAD_SECONDS * 1000)
    const [signer, former] = await readKeys()

    await rotateSigningKeys(file, OVERLAP, clock)
    const { d: _d, ...publicHalf } = former!

    expect((await readKeys()).slice(1)).toEqual([
      { ...signer, retiredAt: nowSeconds() + LEAD_SECONDS + 3600 },
      publicHalf,
    ])
  })

  test('keeps a pending key: each new key signs in turn', async () => {
    await rotateSigningKeys(file, OVERLAP, clock)
    const [pending, signer] = await readKeys()
    await clock.advance(30_000)
    await rotateSigningKeys(file, OVERLAP, clock)

    const [next, ...others] = await readKeys()

    expect(others).toEqual([{ ...pending, retiredAt: nowSeconds() + LEAD_SECONDS + 3600 }, signer])

    const kids = [(await parseFile()).signing.kid]
    await clock.advance(30_000)
    kids.push((await parseFile()).signing.kid)
    await clock.advance(30_000)
    kids.push((await parseFile()).signing.kid)
    expect(kids).toEqual([signer!.kid, pending!.kid, next!.kid])
  })

  test('removes keys that have retired', async () => {
    const [first] = await readKeys()
    await rotateSigningKeys(file, OVERLAP, clock)
    await clock.advance((LEAD_SECONDS + 3600) * 1000)

    await rotateSigningKeys(file, OVERLAP, clock)

    expect((await readKeys()).map(({ kid }) => kid)).not.toContain(first!.kid)
    expect(await readKeys()).toHaveLength(2)
  })

  test('lets the new key sign at once when all others have retired', async () => {
    const [onlyKey] = await readKeys()
    await writeFile(file, JSON.stringify({ keys: [{ ...onlyKey, retiredAt: nowSeconds() }] }))
    await rotateSigningKeys(file, OVERLAP, clock)

    const [next, ...others] = await readKeys()

    expect(next).not.toHaveProperty('activeFrom')
    expect(others).toEqual([])
  })

  test('leaves only the new key, which signs, when it is made at once', async () => {
    await rotateSigningKeys(file, OVERLAP, clock)
    const before = (await readKeys()).map(({ kid }) => kid)
    await rotateSigningKeys(file, { kind: 'at-once' }, clock)

    const after = await readKeys()

    expect(after).toHaveLength(1)
    expect(before).not.toContain(after[0]!.kid)
    expect((await parseFile()).signing.kid).toBe(after[0]!.kid)
  })

  test('lets former keys verify for an hour, or longer than tokens live', () => {
    expect(overlapFor(900)).toBe(3600)
    expect(overlapFor(86_400)).toBeGreaterThan(86_400)
  })

  test('at any moments: a key that signs was published for a minute, and verifies until its tokens expire', async () => {
    const pauses = fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 6 })
    const checkPromise = async (steps: number[]) => {
      await writeFile(file, await newSigningKeysText())
      const watch = watchKeys((await readKeys())[0]!.kid)
      for (const pause of steps) {
        const rotation = { kind: 'with-overlap', overlapSeconds: watch.overlapSeconds } as const
        const text = await rotateSigningKeys(file, rotation, watch.time)
        await watch.pass(text, pause)
      }
    }
    await fc.assert(fc.asyncProperty(pauses, checkPromise), { numRuns: 15 })
  })
})

/** Checks keys against the promise of a rotation, in steps of 10 s. */
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
    expect(now - knownSince.get(kid)!).toBeGreaterThanOrEqual(LEAD_SECONDS)
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
