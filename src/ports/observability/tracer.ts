import type { IncomingHttpHeaders } from 'node:http'

/** What a request turned out to be: names of the contract and kinds, nothing that a caller wrote. */
export type RequestFacts = {
  method: string
  /** The contract's path and operation; absent for what is no operation. */
  route?: string
  operationId?: string
  /** Absent if the caller had gone before there was one. */
  status?: number
  /** The code of the problem that was answered. */
  problem?: string
  /** Who called: nobody, a role, or a role by its key. */
  caller: string
  requestId: string
  /** The caller had gone before the answer was whole. */
  hungUp: boolean
}

/** One request, from its first line to its last byte. */
export interface RequestTrace {
  /** 32 hexadecimal digits. */
  readonly traceId: string
  /** Runs what belongs to the request: the steps that it begins are its own. */
  within(run: () => void): void
  end(facts: RequestFacts): void
}

/** A part of a request that takes time. */
export interface Step {
  within<T>(run: () => T): T
  /** Something happened on the way. */
  note(event: string): void
  /** @param error its kind is kept, never its message: that may quote anything */
  end(error?: unknown): void
}

/** Tells where the time of a request goes. */
export interface Tracer {
  /** @param headers of the request: `traceparent` makes it a part of its caller's trace */
  request(headers: IncomingHttpHeaders): RequestTrace
  /** A step of the request under way; outside of any it is not recorded. */
  step(name: string): Step
  /** Resolves when what has ended was sent, or could not be. */
  flush(): Promise<void>
  close(): Promise<void>
}
