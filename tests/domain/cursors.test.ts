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

test('a cursor opens to the position that was sealed', () => {
  expect(cursors.open(cursor, filters)).toEqual(position)
})

test('a cursor opens with equal filters in any order, and undefined counts as absent', () => {
  const { list, userId, q, archived } = filters
  expect(codeOf(cursor, { archived, q, limit: undefined, userId, list })).toBe('opened')

  const nested = cursors.seal([1], { by: { a: 1, b: 2 } })
  expect(codeOf(nested, { by: { b: 2, a: 1 } })).toBe('opened')
})

test.each([
  ['another value', { ...filters, q: 'coffee' }],
  ['another type', { ...filters, archived: 'false' }],
  ['a missing filter', { list: 'conversations', userId: 'u1', q: 'tea' }],
  ['an additional filter', { ...filters, mode: 'concise' }],
  ['another caller', { ...filters, userId: 'u2' }],
  ['no filters', {}],
])('a cursor is a mismatch with other filters: %s', (_what, given) => {
  expect(codeOf(cursor, given)).toBe('mismatch')
})

test('a cursor with any changed byte is malformed, not a mismatch', () => {
  const bytes = Buffer.from(cursor, 'base64url')

  for (let index = 0; index < bytes.length; index += 1) {
    const changed = Buffer.from(bytes)
    changed[index]! ^= 1
    expect(codeOf(changed.toString('base64url'))).toBe('malformed')
  }
})

test.each([
  ['an empty cursor', ''],
  ['a word', 'next'],
  ['a cursor with padding', `${cursor}=`],
  ['a shortened cursor', cursor.slice(0, 30)],
  ['a cursor shorter than its seal', cursor.slice(0, 8)],
  ['a cursor of 100 kB', 'A'.repeat(100_000)],
  ['a cursor of another server', new Cursors(randomBytes(32)).seal(position, filters)],
])('%s is malformed', (_what, text) => {
  expect(codeOf(text)).toBe('malformed')
})

test('any text is malformed and causes no other error', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(codeOf(text)).toBe('malformed')
    }),
  )
})

test('a cursor has at most 512 characters, all of them safe in a URL', () => {
  const longest = cursors.seal(['x'.repeat(350)], filters)

  expect(longest.length).toBeLessThanOrEqual(512)
  expect(longest).toMatch(/^[A-Za-z0-9_-]+$/)
  expect(cursors.open(longest, filters)).toEqual(['x'.repeat(350)])
  expect(() => cursors.seal(['x'.repeat(400)], filters)).toThrow(RangeError)
  expect(() => cursors.seal([Number.NaN], filters)).toThrow(RangeError)
})
