import { randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RefreshTokens } from '../../src/domain/identity/refresh-tokens.ts'

const SESSION = '0198c0de-0000-7000-8000-00000000abcd'
const PREFIX = 'parley_refresh_'
const tokens = new RefreshTokens(randomBytes(32))
const token = tokens.mint(SESSION, 7)

const bytesOf = (text: string) => Buffer.from(text.slice(PREFIX.length), 'base64url')

function withValidChecksum(bytes: Buffer): string {
  const copy = Buffer.from(bytes)
  copy.writeUInt32BE(crc32(copy.subarray(0, 52)), 52)
  return PREFIX + copy.toString('base64url')
}

test('a token has its session and its counter', () => {
  fc.assert(
    fc.property(fc.uuid(), fc.integer({ min: 0, max: 2 ** 32 - 1 }), (sessionId, counter) => {
      expect(tokens.read(tokens.mint(sessionId, counter))).toEqual({ sessionId, counter })
    }),
  )
})

test('a token can be minted again', () => {
  expect(tokens.mint(SESSION, 8)).toBe(tokens.mint(SESSION, 8))
  expect(tokens.mint(SESSION, 8)).not.toBe(token)
})

test('a token of another key is refused', () => {
  expect(new RefreshTokens(randomBytes(32)).read(token)).toBeUndefined()
})

test('a token with any changed bit is refused, even with a valid checksum', () => {
  const bytes = bytesOf(token)

  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const changed = Buffer.from(bytes)
    changed[bit >> 3]! ^= 1 << (bit & 7)
    expect(tokens.read(PREFIX + changed.toString('base64url'))).toBeUndefined()
    if (bit < 52 * 8) expect(tokens.read(withValidChecksum(changed))).toBeUndefined()
  }
})

test('a token has exactly one spelling', () => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const twins = [...alphabet].map((last) => token.slice(0, -1) + last)

  expect(twins.filter((twin) => tokens.read(twin))).toEqual([token])
})

test.each([
  ['an empty text', ''],
  ['the prefix alone', PREFIX],
  ['a token without its prefix', token.slice(PREFIX.length)],
  ['the prefix in capitals', token.replace(PREFIX, PREFIX.toUpperCase())],
  ['padding', `${token}=`],
  ['a space before', ` ${token}`],
  ['a line break after', `${token}\n`],
  ['a missing character', token.slice(0, -1)],
  ['an additional character', `${token}A`],
  ['base64 instead of base64url', PREFIX + bytesOf(token).toString('base64')],
  ['an access token', 'eyJhbGciOiJFZERTQSJ9.e30.AAAA'],
  ['100 kB', PREFIX + 'A'.repeat(100_000)],
  ['zeros with a valid checksum', withValidChecksum(Buffer.alloc(56))],
])('%s is refused', (_what, text) => {
  expect(tokens.read(text)).toBeUndefined()
})

test('any text is refused and causes no error', () => {
  fc.assert(fc.property(fc.string(), (text) => tokens.read(PREFIX + text) === undefined))
})

test.each([
  ['abc', 0],
  [SESSION.toUpperCase(), 0],
  [SESSION, -1],
  [SESSION, 2 ** 32],
  [SESSION, Number.NaN],
  [SESSION, 1.5],
])('minting for %s and %d throws a RangeError', (sessionId, counter) => {
  expect(() => tokens.mint(sessionId, counter)).toThrow(RangeError)
})
