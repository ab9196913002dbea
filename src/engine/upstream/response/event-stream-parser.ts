/** The longest event accepted, in UTF-16 code units. */
const MAX_EVENT_LENGTH = 1024 * 1024

/** An event: its name is empty where none was given. */
export interface ServerSentEvent {
  readonly name: string
  readonly data: string
}

/** An event grew beyond 1 MB without ending. */
export class EventTooLarge extends Error {
  override readonly name = 'EventTooLarge'
}

/**
 * Reads a `text/event-stream` body piece by piece (WHATWG HTML, 9.2.6); keeps only names and `data`.
 * Bytes may be split anywhere. An event without its closing empty line is not one, nor is one without
 * data, unless it has a name: some servers say no more of an error.
 */
export class EventStreamParser {
  readonly #decoder = new TextDecoder()
  #line = ''
  #name = ''
  #data: string[] = []
  #dataLength = 0
  #endedWithCarriageReturn = false

  /** Every event that these bytes complete. Throws EventTooLarge. */
  push(bytes: Uint8Array): ServerSentEvent[] {
    const text = this.#decoder.decode(bytes, { stream: true })
    const events: ServerSentEvent[] = []
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

  #take(line: string, events: ServerSentEvent[]): void {
    if (line === '') {
      const event = { name: this.#name, data: this.#data.join('\n') }
      if (event.name !== '' || this.#data.length > 0) events.push(event)
      this.#name = ''
      this.#data = []
      this.#dataLength = 0
      return
    }
    const field = /^(data|event)(?:: ?|$)/.exec(line)
    if (!field) return
    const value = line.slice(field[0].length)
    if (field[1] === 'event') {
      this.#name = value
      return
    }
    this.#data.push(value)
    this.#dataLength += line.length
    this.#bound()
  }

  #bound(): void {
    if (this.#line.length + this.#name.length + this.#dataLength > MAX_EVENT_LENGTH)
      throw new EventTooLarge()
  }
}
