import type { Readable } from 'node:stream'
import { type CompletionChunk, failed, readChunk } from './completion.ts'
import { EventSourceParser, EventTooLarge } from './event-source.ts'
import { connectionFailure } from './upstream-failures.ts'

/** Reads the chunks of a completion's stream, no faster than they are asked for. */
export class CompletionReader {
  readonly #body: Readable
  readonly #pieces: AsyncIterator<Uint8Array, undefined>
  readonly #parser = new EventSourceParser()
  #events: string[] = []
  #hasEnded = false
  #first: CompletionChunk | undefined

  private constructor(body: Readable) {
    this.#body = body
    this.#pieces = body[Symbol.asyncIterator]()
  }

  /**
   * Reads as far as the first chunk, whatever it says: from there on the call is not repeated.
   * @throws EngineFailure, and what the connection fails with
   */
  static async begin(body: Readable): Promise<CompletionReader> {
    const reader = new CompletionReader(body)
    try {
      reader.#first = await reader.#nextChunk()
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

  async #nextChunk(): Promise<CompletionChunk | undefined> {
    while (this.#events.length === 0 && !this.#hasEnded) await this.#read()
    const data = this.#events.shift()
    if (data === undefined) return undefined
    if (data !== '[DONE]') return readChunk(data)
    this.#hasEnded = true
    this.#events = []
    return { finished: true, isProgress: true }
  }

  async #read(): Promise<void> {
    const { done, value } = await this.#pieces.next()
    if (done) {
      this.#hasEnded = true
      return
    }
    try {
      // Events without data are another way of keeping a connection open.
      this.#events = this.#parser
        .push(value)
        .map((data) => data.trim())
        .filter(Boolean)
    } catch (error) {
      if (!(error instanceof EventTooLarge)) throw error
      throw failed('the upstream sent an event beyond 1 MB')
    }
  }
}
