import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AnswerText, LONGEST_ANSWER, titleOf } from '../../src/domain/chat/answer-text.ts'
import { lineOf } from '../../src/domain/text/single-line.ts'
import { contract } from '../support/contract/contract.ts'

describe('an answer', () => {
  const almostFull = 'a'.repeat(LONGEST_ANSWER - 1)

  test('is what was added, and every piece is given back as it was kept', () => {
    const answer = new AnswerText()
    expect(['Hello', '', ' 🙂'].map((piece) => answer.add(piece))).toEqual(['Hello', '', ' 🙂'])
    expect(answer.text).toBe('Hello 🙂')
    expect(answer.isFull).toBe(false)
  })

  test('is full at the limit, and takes nothing more', () => {
    const answer = new AnswerText()
    expect(answer.add(`${almostFull}bc`)).toBe(`${almostFull}b`)
    expect(answer.isFull).toBe(true)
    expect(answer.add('d')).toBe('')
    expect(answer.text).toHaveLength(LONGEST_ANSWER)
  })

  test('is full when the limit is reached exactly, and not before', () => {
    const answer = new AnswerText()
    answer.add(almostFull)
    expect(answer.isFull).toBe(false)
    answer.add('b')
    expect(answer.isFull).toBe(true)
  })

  test('ends before a character that fits only by half, and is full then', () => {
    const answer = new AnswerText()
    answer.add(almostFull)
    expect(answer.add('🙂')).toBe('')
    expect(answer.isFull).toBe(true)
    expect(answer.add('b')).toBe('')
    expect(answer.text).toBe(almostFull)
  })

  test('is never longer than the limit nor half a character, whatever the pieces', () => {
    const piece = fc
      .tuple(fc.constantFrom('a', '🙂', '한', 'ab🙂'), fc.integer({ min: 0, max: 30_000 }))
      .map(([unit, times]) => unit.repeat(times))
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
        const answer = new AnswerText()
        const kept = pieces.map((one) => answer.add(one)).join('')
        expect(answer.text).toBe(kept)
        expect(pieces.join('').startsWith(kept)).toBe(true)
        expect(kept.length).toBeLessThanOrEqual(LONGEST_ANSWER)
        expect(kept.isWellFormed()).toBe(true)
      }),
      { numRuns: 50 },
    )
  })
})

describe('a title', () => {
  const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' })
  const graphemesOf = (text: string) =>
    Array.from(segmenter.segment(text), ({ segment }) => segment)

  test.each([
    ['a short message as it is', 'Hello!', 'Hello!'],
    ['sixty characters as they are', 'x'.repeat(60), 'x'.repeat(60)],
    ['several lines as one', '  one\r\n\r\ntwo\t three\u2028four ', 'one two three four'],
    ['controls as spaces', 'a\u0000b\u001b[31m\u0085c\u007f', 'a b [31m c'],
    ['no override, and marks as they are', '\u202eevil\u2066 \u200fשלום\u2069', 'evil \u200fשלום'],
    ['what holds no text at all by a name of its own', '\u0001\u202e', 'New conversation'],
    ['no half of a word', `${'word '.repeat(12)}word`, `${'word '.repeat(12).trim()}…`],
    [
      'the last word that just fits',
      `${'a'.repeat(50)} ${'b'.repeat(9)} c`,
      `${'a'.repeat(50)} ${'b'.repeat(9)}…`,
    ],
    ['one long word cut where it stands', 'x'.repeat(61), `${'x'.repeat(60)}…`],
    ['a long word after a short one cut too', `no ${'x'.repeat(80)}`, `no ${'x'.repeat(57)}…`],
    ['Korean by its words', '안녕하세요 '.repeat(20), `${'안녕하세요 '.repeat(10).trim()}…`],
    ['emoji as whole characters', '🙂'.repeat(61), `${'🙂'.repeat(60)}…`],
    ['families whole', '👨‍👩‍👧‍👦'.repeat(61), `${'👨‍👩‍👧‍👦'.repeat(28)}…`],
    ['a family at the cut whole', `${'x'.repeat(59)}👨‍👩‍👧‍👦x`, `${'x'.repeat(59)}👨‍👩‍👧‍👦…`],
    [
      'decomposed Hangul by its syllables',
      '한'.normalize('NFD').repeat(61),
      `${'한'.normalize('NFD').repeat(60)}…`,
    ],
    ['flags whole', '🇰🇷'.repeat(61), `${'🇰🇷'.repeat(60)}…`],
    ['marks without end as many as fit', `e${'\u0301'.repeat(5_000)}`, `e${'\u0301'.repeat(198)}…`],
    ['words of emoji between them', '🙂🙂 '.repeat(30), `${'🙂🙂 '.repeat(20).trim()}…`],
  ])('shows %s', (_, message, title) => {
    expect(titleOf(message)).toBe(title)
  })

  test('is one line of well-formed text that the contract takes, whatever the message', () => {
    const { pattern } = contract.document.components.schemas['ConversationTitle'] as {
      pattern: string
    }
    const odd = fc.constantFrom(...'\u0001\u001b\u0085\u2028\u202e\u2066\u2069\u200e\ufeff')
    const text = fc.string({ unit: fc.oneof(fc.string({ unit: 'grapheme' }), odd), maxLength: 300 })
    fc.assert(
      fc.property(text, (message) => {
        fc.pre(/\S/.test(message))
        const title = titleOf(message)
        expect(title).toMatch(/^\S(.*\S)?$/u)
        expect(title).toMatch(new RegExp(pattern, 'u'))
        expect(graphemesOf(title).length).toBeLessThanOrEqual(61)
        expect(Array.from(title).length).toBeLessThanOrEqual(200)
        expect(title.isWellFormed()).toBe(true)
        const whole = graphemesOf(lineOf(message).replace(/\s+/g, ' ') || title)
        expect(whole.slice(0, graphemesOf(title).length - 1)).toEqual(
          graphemesOf(title).slice(0, -1),
        )
      }),
    )
  })
})
