const HIGH_SURROGATE_AT_END = /[\ud800-\udbff]$/

/** Cleans streamed text: U+0000 and lone surrogates become U+FFFD, a pair split over two pieces stays whole. */
export class TextCleaner {
  #held = ''

  /** The clean text that is complete so far; may be empty. */
  push(piece: string): string {
    const text = this.#held + piece
    this.#held = HIGH_SURROGATE_AT_END.test(text) ? text.slice(-1) : ''
    return cleanText(this.#held ? text.slice(0, -1) : text)
  }

  /** What was held back at the end of the stream. */
  end(): string {
    const rest = this.#held
    this.#held = ''
    return cleanText(rest)
  }
}

/** `text` with U+0000 and lone surrogates replaced by U+FFFD: the store and the contract refuse both. */
export function cleanText(text: string): string {
  return text.replaceAll('\0', '\ufffd').toWellFormed()
}
