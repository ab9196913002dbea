import type { Readable } from 'node:stream'
import { connectionFailure, upstreamFailed } from '../connection/upstream-failures.ts'
import { formOf } from './body-form.ts'
import { type CompletionChunk, readEvent, readWhole } from './completion-chunk.ts'
import { EventStreamParser, EventTooLarge, type ServerSentEvent } from './event-stream-parser.ts'

/** The longest whole answer: the contract's longest, escaped, with much reasoning beside it. */
const MAX_WHOLE_BYTES = 4 * 1024 * 1024

/** Reads the chunks of a completion, no faster than they are asked for. */
export class CompletionReader {
  readonly #body: Readable
  readonly #pieces: AsyncIterator<Uint8Array, undefined>
  readonly #parser = new EventStreamParser()
  /** Decodes what the parser does not get: the beginning of a body, and a whole answer. */
  readonly #decoder = new TextDecoder()
  #events: ServerSentEvent[] = []
  #hasEnded = false
  #first: CompletionChunk | undefined

  private constructor(body: Readable) {
    this.#body = body
    this.#pieces = body[Symbol.asyncIterator]()
  }

  /**
   * Reads up to the first chunk, whatever it holds: after it the call is not retried.
   * @param mediaType the `Content-Type`, which may be wrong
   * @throws EngineFailure, and the connection's error
   */
  static async open(body: Readable, mediaType: string): Promise<CompletionReader> {
    const reader = new CompletionReader(body)
    try {
      reader.#first = await reader.#readFirst(/^\s*text\/event-stream\b/i.test(mediaType))
      if (!reader.#first) throw upstreamFailed('the stream ended before it began')
      return reader
    } catch (error) {
      reader.close()
      throw error
    }
  }

  /**
   * Returns the next chunk with content; undefined at the end of the stream. Comments and empty
   * chunks are skipped: they do not prove that an answer comes.
   * @throws EngineFailure, and what the body's signal aborts with
   */
  async next(): Promise<CompletionChunk | undefined> {
    try {
      for (;;) {
        const chunk = this.#first ?? (await this.#nextChunk())
        this.#first = undefined
        if (!chunk || chunk.isProgress) return chunk
      }
    } catch (error) {
      throw connectionFailure(error)
    }
  }

  /** Closes the connection if it is open. The error that this causes in the body is expected. */
  close(): void {
    this.#body.on('error', () => undefined).destroy()
  }

  async #readFirst(isDeclaredStream: boolean): Promise<CompletionChunk | undefined> {
    let beginning = ''
    for (;;) {
      const piece = await this.#piece()
      if (piece) beginning += this.#decoder.decode(piece, { stream: true })
      const form = formOf(beginning, isDeclaredStream) ?? (piece ? undefined : 'neither')
      if (form === 'whole') return this.#readWhole(beginning)
      if (form === 'neither' && beginning !== '') {
        throw upstreamFailed('the upstream sent no answer')
      }
      if (piece) this.#parse(piece)
      if (form) return this.#nextChunk()
    }
  }

  /** The model has answered: a failure from here on must not cause a retry. */
  async #readWhole(beginning: string): Promise<CompletionChunk> {
    let body = beginning
    try {
      for (let piece = await this.#piece(); piece; piece = await this.#piece()) {
        body += this.#decoder.decode(piece, { stream: true })
        if (body.length > MAX_WHOLE_BYTES) break
      }
    } catch (error) {
      throw upstreamFailed(connectionFailure(error).message)
    }
    if (body.length <= MAX_WHOLE_BYTES) return readWhole(body)
    throw upstreamFailed('the upstream sent an answer larger than 4 MB')
  }

  async #nextChunk(): Promise<CompletionChunk | undefined> {
    while (this.#events.length === 0) {
      const piece = await this.#piece()
      if (!piece) return undefined
      this.#parse(piece)
    }
    const chunk = readEvent(this.#events.shift()!)
    if (!chunk.isLast) return chunk
    this.#hasEnded = true
    this.#events = []
    return chunk
  }

  async #piece(): Promise<Uint8Array | undefined> {
    if (this.#hasEnded) return undefined
    const { done, value } = await this.#pieces.next()
    if (!done) return value
    this.#hasEnded = true
    return undefined
  }

  #parse(piece: Uint8Array): void {
    try {
      const events = this.#parser.push(piece)
      // Events with neither name nor data only keep the connection open.
      this.#events.push(
        ...events
          .map(({ name, data }) => ({ name: name.trim(), data: data.trim() }))
          .filter(({ name, data }) => name !== '' || data !== ''),
      )
    } catch (error) {
      if (!(error instanceof EventTooLarge)) throw error
      throw upstreamFailed('the upstream sent an event larger than 1 MB')
    }
  }
}
