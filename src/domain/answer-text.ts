import { lineOf } from './single-line.ts'

/** An answer ends at 64 kB of text (CONTRACT: streams). UTF-16 units. */
export const LONGEST_ANSWER = 65_536

const TITLE_LENGTH = 60
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
    const fitting = piece.length <= room ? piece : withoutHalf(piece.slice(0, room))
    this.#text += fitting
    this.#isFull = fitting.length < piece.length || this.#text.length === LONGEST_ANSWER
    return fitting
  }
}

function withoutHalf(text: string): string {
  const last = text.charCodeAt(text.length - 1)
  return last >= 0xd800 && last <= 0xdbff ? text.slice(0, -1) : text
}

/** A conversation's title from its first message: its beginning, on one line, cut between words. */
export function titleOf(message: string): string {
  const line = lineOf(message).replace(/\s+/g, ' ')
  if (line === '') return UNTITLED
  const characters = Array.from(line)
  if (characters.length <= TITLE_LENGTH) return line
  const space = characters.lastIndexOf(' ', TITLE_LENGTH)
  // One long word, or a language that has no spaces, is cut where it stands.
  const end = space > TITLE_LENGTH / 2 ? space : TITLE_LENGTH
  return `${characters.slice(0, end).join('')}…`
}
