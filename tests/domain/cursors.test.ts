import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Cursors, CursorRejected } from '../../src/domain/lists/cursors.ts'

const cursors = new Cursors(randomBytes(32))
const filters = { list: 'conversations', userId: 'u1', q: 'tea', archived: false }
const position = ['2026-01-01T00:00:00.000Z', 42, 'id']
const cursor = cursors.seal(position, filters)

function codeOf(text: string, given: Record<string, unknown> = filters): string {
  try {
    cursors.open(text, given)
  } catch (error) {
    if (error instanceof CursorRejected) return error.code
    throw error
  }
  return 'opened'
}

test('a cursor gives back the position that was sealed', () => {
  expect(cursors.open(cursor, filters)).toEqual(position)
})

test('equal filters open it in whatever order they are given, and undefined is not given', () => {
  const { list, userId, q, archived } = filters
  expect(codeOf(cursor, { archived, q, limit: undefined, userId, list })).toBe('opened')

  const nested = cursors.seal([1], { by: { a: 1, b: 2 } })
  expect(codeOf(nested, { by: { b: 2, a: 1 } })).toBe('opened')
})

test.each([
  ['another value', { ...filters, q: 'coffee' }],
  ['another type', { ...filters, archived: 'false' }],
  ['one filter less', { list: 'conversations', userId: 'u1', q: 'tea' }],
  ['one filter more', { ...filters, mode: 'concise' }],
  ['another caller', { ...filters, userId: 'u2' }],
  ['none', {}],
])('with other filters it is a mismatch: %s', (_what, given) => {
  expect(codeOf(cursor, given)).toBe('mismatch')
})

test('a cursor that was changed anywhere is malformed, not a mismatch', () => {
  const bytes = Buffer.from(cursor, 'base64url')
  for (let index = 0; index < bytes.length; index += 1) {
    const changed = Buffer.from(bytes)
    changed[index]! ^= 1
    expect(codeOf(changed.toString('base64url'))).toBe('malformed')
  }
})

test.each([
  ['nothing', ''],
  ['text', 'next'],
  ['padding', `${cursor}=`],
  ['cut short', cursor.slice(0, 30)],
  ['cut to less than its seal', cursor.slice(0, 8)],
  ['too long', 'A'.repeat(100_000)],
  ['of another server', new Cursors(randomBytes(32)).seal(position, filters)],
])('%s is malformed', (_what, text) => {
  expect(codeOf(text)).toBe('malformed')
})

test('any text at all is malformed, never another error', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(codeOf(text)).toBe('malformed')
    }),
  )
})

test('a cursor is at most 512 characters of the URL alphabet', () => {
  const longest = cursors.seal(['x'.repeat(350)], filters)

  expect(longest.length).toBeLessThanOrEqual(512)
  expect(longest).toMatch(/^[A-Za-z0-9_-]+$/)
  expect(cursors.open(longest, filters)).toEqual(['x'.repeat(350)])
  expect(() => cursors.seal(['x'.repeat(400)], filters)).toThrow(RangeError)
  expect(() => cursors.seal([Number.NaN], filters)).toThrow(RangeError)
})
