import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AnswerBuffer, LONGEST_ANSWER } from '../../src/domain/chat/answer-buffer.ts'

describe('AnswerBuffer', () => {
  const almostFull = 'a'.repeat(LONGEST_ANSWER - 1)

  test('collects the pieces and returns each as it was added', () => {
    const answer = new AnswerBuffer()

    expect(['Hello', '', ' 🙂'].map((piece) => answer.add(piece))).toEqual(['Hello', '', ' 🙂'])
    expect(answer.text).toBe('Hello 🙂')
    expect(answer.isFull).toBe(false)
  })

  test('is full at the limit and adds nothing more', () => {
    const answer = new AnswerBuffer()

    expect(answer.add(`${almostFull}bc`)).toBe(`${almostFull}b`)
    expect(answer.isFull).toBe(true)
    expect(answer.add('d')).toBe('')
    expect(answer.text).toHaveLength(LONGEST_ANSWER)
  })

  test('is full exactly at the limit and not before', () => {
    const answer = new AnswerBuffer()
    answer.add(almostFull)
    expect(answer.isFull).toBe(false)

    answer.add('b')
    expect(answer.isFull).toBe(true)
  })

  test('is full before a surrogate pair of which only half fits', () => {
    const answer = new AnswerBuffer()
    answer.add(almostFull)

    expect(answer.add('🙂')).toBe('')
    expect(answer.isFull).toBe(true)
    expect(answer.add('b')).toBe('')
    expect(answer.text).toBe(almostFull)
  })

  test('never exceeds the limit or splits a surrogate pair', () => {
    const piece = fc
      .tuple(fc.constantFrom('a', '🙂', '한', 'ab🙂'), fc.integer({ min: 0, max: 30_000 }))
      .map(([unit, times]) => unit.repeat(times))

    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
        const answer = new AnswerBuffer()
        const added = pieces.map((one) => answer.add(one)).join('')
        expect(answer.text).toBe(added)
        expect(pieces.join('').startsWith(added)).toBe(true)
        expect(added.length).toBeLessThanOrEqual(LONGEST_ANSWER)
        expect(added.isWellFormed()).toBe(true)
      }),
      { numRuns: 50 },
    )
  })
})
