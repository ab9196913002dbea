import type { AuditEventName } from '../../../generated/api.ts'

/**
 * The facts of the call that an operation serves, beyond its input and its caller. What an operation
 * finds out about the call it returns.
 */
export type Call = {
  readonly requestId: string
  /** The path of the request, without its query: the `instance` of a problem. */
  readonly path: string
  /** The client's address, IPv4 in its plain form. */
  readonly address: string
  readonly userAgent: string
  /** Aborts when the client hangs up before the response is complete. */
  readonly hungUp: AbortSignal
  /** The audit events that the operation may record. */
  readonly auditable: readonly AuditEventName[]
  /** The id for the resource that the call creates, if the call has an `Idempotency-Key`. */
  readonly resourceId?: string
  /** The generation whose stream the call joins, because an earlier call with the same key started it. */
  readonly joins?: JoinedGeneration
  /** Runs a function when the response has ended, however it ended; at once if it already has. */
  readonly whenOver: (run: () => void) => void
}

/** A generation that an earlier call requested. Until it has begun, the store may not know it. */
export type JoinedGeneration = { id: string; hasBegun: boolean }
