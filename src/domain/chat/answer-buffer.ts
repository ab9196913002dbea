import { cutText } from '../text/cut-text.ts'

/** The longest text of an answer (CONTRACT: streams), in UTF-16 units. */
export const LONGEST_ANSWER = 65_536

/** The text of an answer as it grows: what a crash of this instance would leave. */
export type Progress = {
  content: string
  /** Where each piece of the content ends, in UTF-16 units. */
  pieceEnds: readonly number[]
}

/**
 * The text of an answer, where each of its pieces ends, and how much of it is saved. It never exceeds
 * the limit and never ends in half a surrogate pair.
 */
export class AnswerBuffer {
  #text = ''
  #isFull = false
  #savedLength = 0
  readonly #pieceEnds: number[] = []

  get text(): string {
    return this.#text
  }

  get isFull(): boolean {
    return this.#isFull
  }

  get pieceEnds(): readonly number[] {
    return this.#pieceEnds
  }

  /** Adds as much of the piece as fits, and returns that much. Text that is empty is no piece. */
  add(piece: string): string {
    if (this.#isFull) return ''
    const fitting = cutText(piece, LONGEST_ANSWER - this.#text.length)
    this.#text += fitting
    this.#isFull = fitting.length < piece.length || this.#text.length === LONGEST_ANSWER
    if (fitting !== '') this.#pieceEnds.push(this.#text.length)
    return fitting
  }

  /** A copy of everything, if some of it is not saved yet. */
  unsaved(): Progress | undefined {
    if (this.#text.length === this.#savedLength) return undefined
    return { content: this.#text, pieceEnds: [...this.#pieceEnds] }
  }

  noteSaved({ content }: Progress): void {
    this.#savedLength = content.length
  }
}
