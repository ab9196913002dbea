/** The tags in which models enclose reasoning, where their server leaves it in the text. */
const TAGS = new Map([
  ['<think>', '</think>'],
  ['<thinking>', '</thinking>'],
  ['<thought>', '</thought>'],
  ['<seed:think>', '</seed:think>'],
  ['[THINK]', '[/THINK]'],
])
/** The end of a block whose beginning the server has cut off. */
const CLOSING_TAGS = ['</think>', '[/THINK]']
/**
 * White space at the beginning of an answer is held back up to this length, in UTF-16 code units.
 */
const LONGEST_BLANK = 1_000

/**
 * Removes the reasoning at the beginning of an answer, wherever its pieces are split. Later in the
 * answer a tag is text like any other: a user may ask for one.
 */
export class ReasoningFilter {
  #held = ''
  #isAnswer = false
  /** The tag that closes the open block; empty outside a block. */
  #closingTag = ''
  #hasReasoning = false

  get hasReasoning(): boolean {
    return this.#hasReasoning
  }

  /** Returns the text that is certainly part of the answer; may be empty. */
  push(piece: string): string {
    return this.#isAnswer ? piece : this.#filter(piece)
  }

  /** Returns what was held back at the end of the answer, without a block that was never closed. */
  end(): string {
    return this.#closingTag === '' ? this.#release() : ''
  }

  #filter(piece: string): string {
    this.#held += piece
    while (this.#enterBlock() || this.#leaveBlock());
    return this.#isAnswer ? this.#release() : ''
  }

  /**
   * Removes an opening tag, or a closing one whose beginning is missing.
   * @returns whether there was one
   */
  #enterBlock(): boolean {
    if (this.#closingTag !== '') return false
    const text = this.#held.trimStart()
    if (this.#held.length - text.length > LONGEST_BLANK) {
      this.#isAnswer = true
      return false
    }
    const closing = CLOSING_TAGS.find((tag) => text.startsWith(tag))
    const tag = closing ?? [...TAGS.keys()].find((one) => text.startsWith(one))
    if (tag !== undefined) {
      this.#hasReasoning = true
      this.#closingTag = closing === undefined ? TAGS.get(tag)! : ''
      this.#held = text.slice(tag.length)
      return true
    }
    this.#isAnswer = ![...TAGS.keys(), ...CLOSING_TAGS].some((one) => one.startsWith(text))
    return false
  }

  /** Removes the block up to its closing tag. @returns whether that was found */
  #leaveBlock(): boolean {
    if (this.#closingTag === '') return false
    const at = this.#held.indexOf(this.#closingTag)
    if (at === -1) {
      this.#held = this.#held.slice(-(this.#closingTag.length - 1))
      return false
    }
    this.#held = this.#held.slice(at + this.#closingTag.length)
    this.#closingTag = ''
    return true
  }

  /** The line ends between the reasoning and the answer belong to neither. */
  #release(): string {
    const text = this.#hasReasoning ? this.#held.trimStart() : this.#held
    this.#held = ''
    return text
  }
}
