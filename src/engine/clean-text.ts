const HIGH_SURROGATE_AT_END = /[\ud800-\udbff]$/

/**
 * Cleans text that arrives in pieces. A surrogate pair that is split over two pieces stays whole.
 */
export class TextCleaner {
  #held = ''

  /** Returns the clean text that is complete so far; may be empty. */
  push(piece: string): string {
    const text = this.#held + piece
    this.#held = HIGH_SURROGATE_AT_END.test(text) ? text.slice(-1) : ''
    return cleanText(this.#held ? text.slice(0, -1) : text)
  }

  /** Returns what was held back at the end of the text. */
  end(): string {
    const rest = this.#held
    this.#held = ''
    return cleanText(rest)
  }
}

/** Replaces U+0000 and lone surrogates by U+FFFD: the store and the contract refuse both. */
export function cleanText(text: string): string {
  return text.replaceAll('\0', '\ufffd').toWellFormed()
}
