/** Marks that models put around what they think, where their server leaves it in the text. */
const MARKS = new Map([
  ['<think>', '</think>'],
  ['<thinking>', '</thinking>'],
  ['<thought>', '</thought>'],
  ['<seed:think>', '</seed:think>'],
  ['[THINK]', '[/THINK]'],
])
/** A block that its server has cut the beginning from ends with this. */
const ENDS = ['</think>', '[/THINK]']
/** White space at the beginning of an answer is held back so far, in UTF-16 code units. */
const LONGEST_BLANK = 1_000

/**
 * The text of an answer without what the model thinks at its beginning, wherever its pieces are cut.
 * Further on a mark is text like any other: somebody may ask for one.
 */
export class ReasoningFilter {
  #held = ''
  #isSpeaking = false
  /** What ends the thought that has begun; empty where none has. */
  #end = ''
  #hasThought = false

  get hasThought(): boolean {
    return this.#hasThought
  }

  /** What of the text so far is spoken for sure; may be empty. */
  push(piece: string): string {
    return this.#isSpeaking ? piece : this.#listen(piece)
  }

  /** What was held back at the end of the answer: a thought without an end is none of it. */
  end(): string {
    return this.#end === '' ? this.#release() : ''
  }

  #listen(piece: string): string {
    this.#held += piece
    while (this.#enter() || this.#leave());
    return this.#isSpeaking ? this.#release() : ''
  }

  /** Whether a block of thoughts was found, and is over or has begun. */
  #enter(): boolean {
    if (this.#end !== '') return false
    const text = this.#held.trimStart()
    if (this.#held.length - text.length > LONGEST_BLANK) {
      this.#isSpeaking = true
      return false
    }
    const end = ENDS.find((one) => text.startsWith(one))
    const mark = end ?? [...MARKS.keys()].find((one) => text.startsWith(one))
    if (mark !== undefined) {
      this.#hasThought = true
      this.#end = end === undefined ? MARKS.get(mark)! : ''
      this.#held = text.slice(mark.length)
      return true
    }
    this.#isSpeaking = ![...MARKS.keys(), ...ENDS].some((one) => one.startsWith(text))
    return false
  }

  #leave(): boolean {
    if (this.#end === '') return false
    const at = this.#held.indexOf(this.#end)
    if (at === -1) {
      this.#held = this.#held.slice(-(this.#end.length - 1))
      return false
    }
    this.#held = this.#held.slice(at + this.#end.length)
    this.#end = ''
    return true
  }

  /** The line ends between a thought and the answer belong to neither. */
  #release(): string {
    const text = this.#hasThought ? this.#held.trimStart() : this.#held
    this.#held = ''
    return text
  }
}
