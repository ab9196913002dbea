import type { Frame } from '../../contract/types.ts'

/** A handler without its types, which are checked where the handlers are written. */
export type AnyOperation = (input: unknown, caller: unknown, call: unknown) => Promise<AnyReply>

export type AnyReply = {
  status: number
  headers?: Record<string, string | number>
  body?: unknown
  frames?: AsyncIterable<Frame<{ type: string }>>
  lines?: AsyncIterable<{ type: string }>
  /** An earlier call with the same `Idempotency-Key` did the work. */
  replayed?: true
}
