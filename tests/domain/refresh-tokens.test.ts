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

function withRightChecksum(bytes: Buffer): string {
  const copy = Buffer.from(bytes)
  copy.writeUInt32BE(crc32(copy.subarray(0, 52)), 52)
  return PREFIX + copy.toString('base64url')
}

test('a token says which refresh of which session it is', () => {
  fc.assert(
    fc.property(fc.uuid(), fc.integer({ min: 0, max: 2 ** 32 - 1 }), (sessionId, counter) => {
      expect(tokens.read(tokens.mint(sessionId, counter))).toEqual({ sessionId, counter })
    }),
  )
})

test('the same successor can be given twice', () => {
  expect(tokens.mint(SESSION, 8)).toBe(tokens.mint(SESSION, 8))
  expect(tokens.mint(SESSION, 8)).not.toBe(token)
})

test('a token of another key is junk', () => {
  expect(new RefreshTokens(randomBytes(32)).read(token)).toBeUndefined()
})

test('no bit of a token can be changed, even with the checksum put right', () => {
  const bytes = bytesOf(token)
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const changed = Buffer.from(bytes)
    changed[bit >> 3]! ^= 1 << (bit & 7)
    expect(tokens.read(PREFIX + changed.toString('base64url'))).toBeUndefined()
    if (bit < 52 * 8) expect(tokens.read(withRightChecksum(changed))).toBeUndefined()
  }
})

test('a token has exactly one spelling', () => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const twins = [...alphabet].map((last) => token.slice(0, -1) + last)

  expect(twins.filter((twin) => tokens.read(twin))).toEqual([token])
})

test.each([
  ['nothing', ''],
  ['the prefix alone', PREFIX],
  ['no prefix', token.slice(PREFIX.length)],
  ['the prefix in capitals', token.replace(PREFIX, PREFIX.toUpperCase())],
  ['padding', `${token}=`],
  ['a space before', ` ${token}`],
  ['a line break after', `${token}\n`],
  ['one character less', token.slice(0, -1)],
  ['one character more', `${token}A`],
  ['base64 instead of base64url', PREFIX + bytesOf(token).toString('base64')],
  ['an access token', 'eyJhbGciOiJFZERTQSJ9.e30.AAAA'],
  ['100 kB', PREFIX + 'A'.repeat(100_000)],
  ['zeros with a right checksum', withRightChecksum(Buffer.alloc(56))],
])('%s is junk', (_what, text) => {
  expect(tokens.read(text)).toBeUndefined()
})

test('any text at all is answered, never thrown at', () => {
  fc.assert(fc.property(fc.string(), (text) => tokens.read(PREFIX + text) === undefined))
})

test.each([
  ['abc', 0],
  [SESSION.toUpperCase(), 0],
  [SESSION, -1],
  [SESSION, 2 ** 32],
  [SESSION, Number.NaN],
  [SESSION, 1.5],
])('minting for %s and %d is a mistake of the program', (sessionId, counter) => {
  expect(() => tokens.mint(sessionId, counter)).toThrow(RangeError)
})
