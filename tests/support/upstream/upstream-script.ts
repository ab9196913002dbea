import type { IncomingHttpHeaders } from 'node:http'

/**
 * How the upstream behaves. Everything is optional; `{}` is a well-behaved server that answers "Hello from upstream."
 * Positions (`stallAfter`, `dropAfter` …) count words: 0 is before the first.
 */
export interface UpstreamScript {
  /** The pieces of text, one chunk each. */
  words?: readonly string[]
  /** Ids that `GET /models` lists; the first is the default model. */
  models?: readonly string[]
  /** Lists nothing until `release()`. */
  modelsStall?: true
  /** The status of `GET /models`. */
  modelsStatus?: number
  /** Statuses of the first completions, in order; after them it behaves: `[429]` refuses once. */
  refusals?: readonly number[]
  /** Redirects every completion to this address with 307. */
  redirectTo?: string
  /** The status of every completion. */
  status?: number
  /** Waits for `release()` before it responds. */
  respondsLate?: true
  /** Refuses the completions for which this returns a refusal. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a test reads any path of it
  refuses?: (body: any) => { readonly status: number; readonly body: unknown } | undefined
  /** Sent with every refusal. */
  retryAfter?: string
  /** The response to every completion, instead of a stream. */
  reply?: {
    readonly contentType: string
    readonly body: string | Uint8Array
    /** Added to the true headers, or in place of them: a wrong length or encoding, for example. */
    readonly headers?: Record<string, string>
  }
  /** Repeats this text before the first word, as fast as it is read, until the reader closes. */
  endlessPreamble?: string
  /** Resets the connection of so many first completions, after their head and before any event. */
  resets?: number
  /** Goes silent after so many words until `release()`; 0 sends not even the head. */
  stallAfter?: number
  /** Destroys the socket after so many words; 0 sends not even the head. */
  dropAfter?: number
  /** Sends an event that is not JSON after so many words. */
  garbageAfter?: number
  /** Sends an `error` object after so many words. */
  errorAfter?: number
  /** Where usage is reported. Default 'final': a last chunk with no choices. */
  usage?: 'final' | 'in-last-choice' | 'never'
  /** Leaves out `finish_reason`. */
  withoutFinish?: true
  /** Leaves out `[DONE]`. */
  withoutDone?: true
  /** Keeps the connection open after the last event, until `release()`. */
  staysOpen?: true
  /** Writes so many bytes at a time, each in a packet of its own: 1 splits inside every character. */
  bytesPerWrite?: number
  /** Repeats the words, as fast as they are read, until the reader closes. */
  endless?: true
  /** Sends the words as `reasoning_content` first. */
  reasoning?: true
  /** Lines sent before the stream, such as `': hello\n\n'`. */
  preamble?: string
}

/** One request that the upstream received. */
export interface UpstreamCall {
  readonly path: string
  readonly method: string
  readonly headers: IncomingHttpHeaders
  /** Parsed JSON; undefined for GET. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a test reads any path of it
  readonly body: any
  /** True once the client has closed the connection before the response was complete. */
  aborted: boolean
  /** Bytes of the response written so far. */
  bytesWritten: number
  /** Resolves when the response has ended, in whichever way. */
  readonly closed: Promise<void>
}
