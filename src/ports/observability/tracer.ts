import type { IncomingHttpHeaders } from 'node:http'

/** The attributes of a request: names of the contract and kinds, nothing that a caller wrote. */
export type RequestFacts = {
  method: string
  /** The contract's path and operation; absent for what is no operation. */
  route?: string
  operationId?: string
  /** Absent if the caller hung up before there was one. */
  status?: number
  /** The code of the problem in the response. */
  problem?: string
  /** The kind of caller: none, a role, or a role by its key. */
  caller: string
  requestId: string
  /** The caller hung up before the response was complete. */
  hungUp: boolean
}

/** The trace of one request, from its first line to its last byte. */
export interface RequestTrace {
  /** 32 hexadecimal digits. */
  readonly traceId: string
  /** Runs the work of the request: the steps that it starts belong to this trace. */
  within(run: () => void): void
  end(facts: RequestFacts): void
}

/** A part of a request that takes time. */
export interface Step {
  within<T>(run: () => T): T
  /** Adds an event to the step. */
  note(event: string): void
  /** @param error its kind is recorded, never its message, which may quote anything */
  end(error?: unknown): void
}

/** Records where the time of a request goes. */
export interface Tracer {
  /** @param headers of the request: `traceparent` makes it a part of its caller's trace */
  request(headers: IncomingHttpHeaders): RequestTrace
  /** A step of the current request; outside of a request it is not recorded. */
  step(name: string): Step
  /** Resolves when the spans that have ended were sent, or could not be. */
  flush(): Promise<void>
  close(): Promise<void>
}
