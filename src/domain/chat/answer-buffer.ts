import { lineOf } from '../text/single-line.ts'

/** An answer ends at 64 kB of text (CONTRACT: streams). UTF-16 units. */
export const LONGEST_ANSWER = 65_536

/** In graphemes: what a reader takes for one character. */
const TITLE_LENGTH = 60
/** In characters of Unicode, as the contract bounds a title, without the sign that it goes on. */
const LONGEST_TITLE = 199
/** No title takes more of a line, in UTF-16 units; finding the graphemes of all of it would take long. */
const LOOKED_AT = 1_024
const GRAPHEMES = new Intl.Segmenter('en', { granularity: 'grapheme' })
/** The title of a conversation that nothing else says. */
export const UNTITLED = 'New conversation'

/** The text of an answer as it grows, never longer than the limit and never ending in half a character. */
export class AnswerText {
  #text = ''
  #isFull = false

  get text(): string {
    return this.#text
  }

  get isFull(): boolean {
    return this.#isFull
  }

  /** Adds as much of the piece as there is room for, and returns that much. */
  add(piece: string): string {
    if (this.#isFull) return ''
    const room = LONGEST_ANSWER - this.#text.length
    const fitting = cutText(piece, room)
    this.#text += fitting
    this.#isFull = fitting.length < piece.length || this.#text.length === LONGEST_ANSWER
    return fitting
  }
}

/** As much of a text as has room, in UTF-16 units, and never half a character. */
export function cutText(text: string, room: number): string {
  return text.length <= room ? text : text.slice(0, room).replace(/[\ud800-\udbff]$/, '')
}

/** A conversation's title from its first message: its beginning, on one line, cut between words. */
export function titleOf(message: string): string {
  const line = lineOf(message).replace(/\s+/g, ' ')
  if (line === '') return UNTITLED
  const graphemes = beginningOf(line)
  if (graphemes.length <= TITLE_LENGTH && graphemes.join('') === line) return line
  // A single one without end: there is no place to cut it at.
  if (graphemes.length === 0) return `${charactersOf(line).slice(0, LONGEST_TITLE).join('')}…`
  const most = Math.min(graphemes.length, TITLE_LENGTH)
  const space = graphemes.lastIndexOf(' ', most)
  // One long word, or a language that has no spaces, is cut where it stands.
  const end = space > most / 2 ? space : most
  return `${graphemes.slice(0, end).join('')}…`
}

/** The first graphemes of a line: one more than a title has, or fewer if they are long. */
function beginningOf(line: string): string[] {
  const graphemes: string[] = []
  let room = LONGEST_TITLE
  for (const { segment } of GRAPHEMES.segment(line.slice(0, LOOKED_AT))) {
    room -= charactersOf(segment).length
    if (room < 0 || graphemes.length > TITLE_LENGTH) break
    graphemes.push(segment)
  }
  return graphemes
}

function charactersOf(text: string): string[] {
  return Array.from(text.slice(0, LOOKED_AT))
}
