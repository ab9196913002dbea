import type { Readable } from 'node:stream'
import { formOf } from './completion-body.ts'
import { type CompletionChunk, failed, readEvent, readWhole } from './completion.ts'
import { EventSourceParser, EventTooLarge, type SourceEvent } from './event-source.ts'
import { connectionFailure } from './upstream-failures.ts'

/** The longest whole answer: the contract's longest, escaped, with much thinking beside it. */
const MAX_WHOLE_BYTES = 4 * 1024 * 1024

/** Reads the chunks of a completion, no faster than they are asked for. */
export class CompletionReader {
  readonly #body: Readable
  readonly #pieces: AsyncIterator<Uint8Array, undefined>
  readonly #parser = new EventSourceParser()
  /** Of what the parser does not get: the beginning, and a whole answer. */
  readonly #decoder = new TextDecoder()
  #events: SourceEvent[] = []
  #hasEnded = false
  #first: CompletionChunk | undefined

  private constructor(body: Readable) {
    this.#body = body
    this.#pieces = body[Symbol.asyncIterator]()
  }

  /**
   * Reads as far as the first chunk, whatever it says: from there on the call is not repeated.
   * @param mediaType as the server calls it, which need not be true
   * @throws EngineFailure, and what the connection fails with
   */
  static async begin(body: Readable, mediaType: string): Promise<CompletionReader> {
    const reader = new CompletionReader(body)
    try {
      reader.#first = await reader.#begin(/^\s*text\/event-stream\b/i.test(mediaType))
      if (!reader.#first) throw failed('the stream ended before it began')
      return reader
    } catch (error) {
      reader.close()
      throw error
    }
  }

  /**
   * The next chunk that brings the answer further; undefined at the end of the stream.
   * Comments and empty chunks are passed over: they are no sign of an answer.
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

  /** Hangs up, if it is still open. That is no mistake of anybody's. */
  close(): void {
    this.#body.on('error', () => undefined).destroy()
  }

  async #begin(isCalledStream: boolean): Promise<CompletionChunk | undefined> {
    let beginning = ''
    for (;;) {
      const piece = await this.#piece()
      if (piece) beginning += this.#decoder.decode(piece, { stream: true })
      const form = formOf(beginning, isCalledStream) ?? (piece ? undefined : 'neither')
      if (form === 'whole') return this.#whole(beginning)
      if (form === 'neither' && beginning !== '') throw failed('the upstream sent no answer')
      if (piece) this.#parse(piece)
      if (form) return this.#nextChunk()
    }
  }

  /** Its model has answered: what goes wrong from here on must not make anybody ask again. */
  async #whole(beginning: string): Promise<CompletionChunk> {
    let body = beginning
    try {
      for (let piece = await this.#piece(); piece; piece = await this.#piece()) {
        body += this.#decoder.decode(piece, { stream: true })
        if (body.length > MAX_WHOLE_BYTES) break
      }
    } catch (error) {
      throw failed(connectionFailure(error).message)
    }
    if (body.length > MAX_WHOLE_BYTES) throw failed('the upstream sent an answer larger than 4 MB')
    return readWhole(body)
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
      // Events without data are another way of keeping a connection open.
      this.#events.push(
        ...events
          .map(({ name, data }) => ({ name: name.trim(), data: data.trim() }))
          .filter(({ name, data }) => name !== '' || data !== ''),
      )
    } catch (error) {
      if (!(error instanceof EventTooLarge)) throw error
      throw failed('the upstream sent an event larger than 1 MB')
    }
  }
}
