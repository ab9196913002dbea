import type { AuditEventName } from '../../generated/api.ts'
import type { LimitState } from './limits.ts'

/** What is known of the call that an operation answers, beyond its input and its caller. */
export type Call = {
  requestId: string
  /** The path that was called, without its query: the `instance` of a problem. */
  path: string
  /** The client's address, IPv4 in its plain form. */
  address: string
  userAgent: string
  /** Aborts when the client has hung up before the answer was complete. */
  hungUp: AbortSignal
  /** The limits that the call counted against so far, for its headers. */
  limits: LimitState[]
  /** The audit events that the operation may record. */
  auditable: readonly AuditEventName[]
}
