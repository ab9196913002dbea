import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { titleOf } from '../../src/domain/conversations/titles.ts'
import { lineOf } from '../../src/domain/text/single-line.ts'
import { contract } from '../support/contract/contract.ts'

describe('the title of a conversation', () => {
  const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' })
  const graphemesOf = (text: string) =>
    Array.from(segmenter.segment(text), ({ segment }) => segment)

  test.each([
    ['a short message as it is', 'Hello!', 'Hello!'],
    ['sixty characters as they are', 'x'.repeat(60), 'x'.repeat(60)],
    ['several lines as one', '  one\r\n\r\ntwo\t three\u2028four ', 'one two three four'],
    ['controls as spaces', 'a\u0000b\u001b[31m\u0085c\u007f', 'a b [31m c'],
    ['marks but no overrides of direction', '\u202eevil\u2066 \u200fשלום\u2069', 'evil \u200fשלום'],
    ['a default for a message without text', '\u0001\u202e', 'New conversation'],
    ['no half of a word', `${'word '.repeat(12)}word`, `${'word '.repeat(12).trim()}…`],
    [
      'the last word that fits',
      `${'a'.repeat(50)} ${'b'.repeat(9)} c`,
      `${'a'.repeat(50)} ${'b'.repeat(9)}…`,
    ],
    ['one long word cut at the limit', 'x'.repeat(61), `${'x'.repeat(60)}…`],
    ['a long word after a short one cut too', `no ${'x'.repeat(80)}`, `no ${'x'.repeat(57)}…`],
    ['Korean by its words', '안녕하세요 '.repeat(20), `${'안녕하세요 '.repeat(10).trim()}…`],
    ['emoji as whole characters', '🙂'.repeat(61), `${'🙂'.repeat(60)}…`],
    ['family emoji whole', '👨‍👩‍👧‍👦'.repeat(61), `${'👨‍👩‍👧‍👦'.repeat(28)}…`],
    ['a family emoji at the limit whole', `${'x'.repeat(59)}👨‍👩‍👧‍👦x`, `${'x'.repeat(59)}👨‍👩‍👧‍👦…`],
    [
      'decomposed Hangul by its syllables',
      '한'.normalize('NFD').repeat(61),
      `${'한'.normalize('NFD').repeat(60)}…`,
    ],
    ['flags whole', '🇰🇷'.repeat(61), `${'🇰🇷'.repeat(60)}…`],
    ['as many combining marks as fit', `e${'\u0301'.repeat(5_000)}`, `e${'\u0301'.repeat(198)}…`],
    ['words of emoji uncut', '🙂🙂 '.repeat(30), `${'🙂🙂 '.repeat(20).trim()}…`],
  ])('shows %s', (_, message, title) => {
    expect(titleOf(message)).toBe(title)
  })

  test('is one line of well-formed text that the contract accepts, for any message', () => {
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
