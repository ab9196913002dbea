/** The longest event accepted, in UTF-16 code units. */
const MAX_EVENT_LENGTH = 1024 * 1024

/** An event of a stream. Its name is empty where none was sent. */
export interface ServerSentEvent {
  readonly name: string
  readonly data: string
}

/** An event has more than 1 MB. */
export class EventTooLarge extends Error {
  override readonly name = 'EventTooLarge'
}

/**
 * Parses a `text/event-stream` body piece by piece (WHATWG HTML, 9.2.6); only `event` and `data`
 * are kept. Bytes may be split anywhere. An event without its closing empty line is dropped, as is
 * one without data, unless it has a name: some servers send only the name of an error.
 */
export class EventStreamParser {
  readonly #decoder = new TextDecoder()
  #line = ''
  #name = ''
  #data: string[] = []
  #dataLength = 0
  #endedWithCarriageReturn = false

  /** Returns every event that these bytes complete. @throws EventTooLarge */
  push(bytes: Uint8Array): ServerSentEvent[] {
    const text = this.#decoder.decode(bytes, { stream: true })
    const events: ServerSentEvent[] = []
    const lineEnd = /\r\n?|\n/g
    // A CR LF that is split over two pieces is one line end.
    let start = this.#endedWithCarriageReturn && text.startsWith('\n') ? 1 : 0
    if (text !== '') this.#endedWithCarriageReturn = text.endsWith('\r')
    lineEnd.lastIndex = start
    for (let end = lineEnd.exec(text); end; end = lineEnd.exec(text)) {
      this.#take(this.#line + text.slice(start, end.index), events)
      this.#line = ''
      start = lineEnd.lastIndex
    }
    this.#line += text.slice(start)
    this.#requireSize()
    return events
  }

  #take(line: string, events: ServerSentEvent[]): void {
    if (line === '') {
      this.#endEvent(events)
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
    this.#requireSize()
  }

  #endEvent(events: ServerSentEvent[]): void {
    const event = { name: this.#name, data: this.#data.join('\n') }
    if (event.name !== '' || this.#data.length > 0) events.push(event)
    this.#name = ''
    this.#data = []
    this.#dataLength = 0
  }

  #requireSize(): void {
    if (this.#line.length + this.#name.length + this.#dataLength > MAX_EVENT_LENGTH)
      throw new EventTooLarge()
  }
}
