/** The longest event accepted, in UTF-16 code units. */
const MAX_EVENT_LENGTH = 1024 * 1024

/** An event grew beyond 1 MB without ending. */
export class EventTooLarge extends Error {
  override readonly name = 'EventTooLarge'
}

/**
 * Reads a `text/event-stream` body piece by piece (WHATWG HTML, 9.2.6); keeps only `data`.
 * Bytes may be split anywhere. An event without its closing empty line is not one.
 */
export class EventSourceParser {
  readonly #decoder = new TextDecoder()
  #line = ''
  #data: string[] = []
  #dataLength = 0
  #endedWithCarriageReturn = false

  /** The data of every event that these bytes complete. Throws EventTooLarge. */
  push(bytes: Uint8Array): string[] {
    const text = this.#decoder.decode(bytes, { stream: true })
    const events: string[] = []
    const lineEnd = /\r\n?|\n/g
    // A CR LF split over two pieces is one line end.
    let start = this.#endedWithCarriageReturn && text.startsWith('\n') ? 1 : 0
    if (text !== '') this.#endedWithCarriageReturn = text.endsWith('\r')
    lineEnd.lastIndex = start
    for (let end = lineEnd.exec(text); end; end = lineEnd.exec(text)) {
      this.#take(this.#line + text.slice(start, end.index), events)
      this.#line = ''
      start = lineEnd.lastIndex
    }
    this.#line += text.slice(start)
    this.#bound()
    return events
  }

  #take(line: string, events: string[]): void {
    if (line === '') {
      if (this.#data.length > 0) events.push(this.#data.join('\n'))
      this.#data = []
      this.#dataLength = 0
      return
    }
    const field = /^data(?:: ?|$)/.exec(line)
    if (!field) return
    this.#data.push(line.slice(field[0].length))
    this.#dataLength += line.length
    this.#bound()
  }

  #bound(): void {
    if (this.#line.length + this.#dataLength > MAX_EVENT_LENGTH) throw new EventTooLarge()
  }
}
