import type { AuditEventName } from '../../../generated/api.ts'
import type { Charge, LimitState } from '../limits/limits.ts'

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
  /** What was counted, to be given back if the call turns out to be free. */
  charges: Charge[]
  /** The id that the thing has which the call makes, if its caller has named the call. */
  thingId?: string
  /** The generation whose stream the call joins, since its caller has made the same call before. */
  attachTo?: Joined
  /** Set by what finds that an earlier try of the same call has done it all. */
  isReplay?: true
  /** Runs something when the answer has ended, however it ended; at once if it has. */
  whenOver: (run: () => void) => void
  /** The audit events that the operation may record. */
  auditable: readonly AuditEventName[]
}

/** A generation that an earlier call has asked for; until it has begun there may be nothing of it. */
export type Joined = { id: string; hasBegun: boolean }
