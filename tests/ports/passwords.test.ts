import { randomBytes } from 'node:crypto'
import bcrypt from 'bcrypt'
import { describe, expect, test } from 'vitest'
import {
  createPasswordPolicy,
  findPasswordFault,
} from '../../src/domain/identity/password-policy.ts'
import { HashQueue, HashQueueFull } from '../../src/ports/passwords/hash-queue.ts'
import { createPasswords, decoyHash } from '../../src/ports/passwords/passwords.ts'

const COST = 4
const key = randomBytes(32)
const passwords = createPasswords({ key, cost: COST })

describe('createPasswords', () => {
  test('verifies the right password and no other', async () => {
    const hash = await passwords.hash('correct horse')

    expect(await passwords.verify('correct horse', hash)).toBe(true)
    expect(await passwords.verify('correct horsf', hash)).toBe(false)
    expect(await passwords.verify('Correct horse', hash)).toBe(false)
    expect(await passwords.verify('', hash)).toBe(false)
  })

  test('cuts no password at 72 bytes or at U+0000', async () => {
    const long = 'x'.repeat(255)

    expect(await passwords.verify(`${long}b`, await passwords.hash(`${long}a`))).toBe(false)
    expect(await passwords.verify('before\0other', await passwords.hash('before\0after'))).toBe(
      false,
    )
  })

  test('treats two encodings of one letter as the same password (NFC)', async () => {
    expect(await passwords.verify('cafe\u0301 au lait', await passwords.hash('café au lait'))).toBe(
      true,
    )
  })

  test('makes two different hashes of one password', async () => {
    expect(await passwords.hash('correct horse')).not.toBe(await passwords.hash('correct horse'))
  })

  test('verifies no hash that was made with another server secret', async () => {
    const elsewhere = createPasswords({ key: randomBytes(32), cost: COST })

    expect(await elsewhere.verify('correct horse', await passwords.hash('correct horse'))).toBe(
      false,
    )
  })

  test('verifies no password of an unknown account', async () => {
    expect(await passwords.verify('correct horse', undefined)).toBe(false)
  })

  test('reads a decoy hash of the same cost for an unknown account', () => {
    const decoy = decoyHash(11)

    expect(bcrypt.getRounds(decoy)).toBe(11)
    // bcrypt answers at once, without any work, if the text is not a hash.
    expect(decoy).toMatch(/^\$2b\$11\$[./A-Za-z0-9]{53}$/)
  })

  test('reports a hash of another cost as outdated', async () => {
    const hash = await passwords.hash('correct horse')

    expect(passwords.isOutdated(hash)).toBe(false)
    expect(createPasswords({ key, cost: COST + 1 }).isOutdated(hash)).toBe(true)
  })
})

describe('HashQueue', () => {
  test('runs at most `concurrency` pieces of work at a time, in order of arrival', async () => {
    const { run, started, finish } = openQueue({ concurrency: 2, maxWaiting: 10 })
    const all = Promise.all(['a', 'b', 'c', 'd'].map(run))
    await flush()
    expect(started).toEqual(['a', 'b'])

    await finish('b')
    expect(started).toEqual(['a', 'b', 'c'])

    await finish('a')
    expect(started).toEqual(['a', 'b', 'c', 'd'])

    await finish('c')
    await finish('d')
    await all
  })

  test('refuses work beyond its bound, and accepts more when there is room', async () => {
    const { run, finish } = openQueue({ concurrency: 1, maxWaiting: 1 })
    const first = run('a')
    const second = run('b')

    await expect(run('c')).rejects.toThrow(HashQueueFull)

    await finish('a')
    const fourth = run('d')
    await finish('b')
    await finish('d')
    await Promise.all([first, second, fourth])
  })

  test('runs the next piece of work after one that fails', async () => {
    const queue = new HashQueue({ concurrency: 1, maxWaiting: 1, estimatedMs: 1 })
    const failing = queue.run(() => Promise.reject(new Error('failed')))
    const next = queue.run(() => Promise.resolve('next'))

    await expect(failing).rejects.toThrow('failed')
    await expect(next).resolves.toBe('next')
  })

  test('tells callers to retry after whole seconds, at least one', async () => {
    const cheap = createPasswords({ key, cost: COST, concurrency: 1, maxWaiting: 0 })
    const busy = cheap.hash('correct horse')
    await expect(cheap.hash('correct horse')).rejects.toMatchObject({ retryAfterSeconds: 1 })

    await busy
    const queue = new HashQueue({ concurrency: 1, maxWaiting: 0, estimatedMs: 2500 })
    const slow = queue.run(() => Promise.resolve())
    await expect(queue.run(() => Promise.resolve())).rejects.toMatchObject({ retryAfterSeconds: 3 })

    await slow
  })
})

describe('the password policy', () => {
  const policy = createPasswordPolicy(['password', 'Football1', 'short'])

  test.each([
    ['1234567', 'too-short'],
    ['x'.repeat(257), 'too-long'],
    ['\u{1F600}'.repeat(7), 'too-short'],
    ['e\u0301'.repeat(7), 'too-short'],
    ['with\0null', 'unusable-character'],
    ['lone \ud800 one', 'unusable-character'],
    ['password', 'too-common'],
    ['PassWord', 'too-common'],
    ['football1', 'too-common'],
  ])('refuses %j as %s', (password, fault) => {
    expect(policy(password)).toBe(fault)
  })

  test.each([
    'correct horse',
    '        ',
    '\u{1F600}'.repeat(8),
    'é'.repeat(256),
    'e\u0301'.repeat(256),
  ])('allows %j', (password) => {
    expect(policy(password)).toBeUndefined()
    expect(findPasswordFault(password)).toBeUndefined()
  })
})

const flush = () => new Promise(setImmediate)

function openQueue(limits: { concurrency: number; maxWaiting: number }) {
  const queue = new HashQueue({ ...limits, estimatedMs: 1 })
  const started: string[] = []
  const ends = new Map<string, () => void>()
  return {
    started,
    run: (name: string) =>
      queue.run(() => {
        started.push(name)
        return new Promise<void>((resolve) => ends.set(name, resolve))
      }),
    finish: async (name: string) => {
      ends.get(name)?.()
      await flush()
    },
  }
}
