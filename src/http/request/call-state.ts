import type { ProblemCode } from '../../../generated/api.ts'
import type { Policy } from '../../contract/policy.ts'
import type { Call } from '../../domain/calls/call.ts'
import type { KeyClaim } from '../../domain/calls/idempotency.ts'
import type { Charge, LimitState } from '../../domain/limits/limits.ts'
import type { Principal } from '../../domain/access/principal.ts'
import type { Problem } from '../../domain/problem.ts'

/** The facts of the call that later steps find out. */
type Found = 'auditable' | 'resourceId' | 'joins'
type Writable<T> = { -readonly [K in keyof T]: T[K] }

/**
 * What the steps in `src/http` have found out about a request so far, until its log line. A handler
 * sees the read-only part, `Call`.
 */
export type CallState = Omit<Call, Found> &
  Writable<Pick<Call, Found>> & {
    startedAtMs: number
    /** Of its trace, if the server sends traces. */
    traceId?: string
    /** The policy of the operation, once a route has matched. */
    policy?: Policy
    /** The caller, once the credential is verified. */
    principal?: Principal
    /** The states of the limits that the call counted against, for its headers. */
    limits: LimitState[]
    /** What was counted, to be refunded if the call turns out to be free. */
    charges: Charge[]
    /** The body has a media type or a content coding that no operation accepts. */
    bodyRefused?: true
    /** A limit is exceeded; the call may still be a repetition, which is answered as before. */
    refusal?: Problem
    /** The claim on its `Idempotency-Key`. */
    claim?: KeyClaim
    /** The code of the problem in the response. */
    problemCode?: ProblemCode
  }

declare module 'express-serve-static-core' {
  interface Request {
    call: CallState
  }
}

declare module 'node:http' {
  interface IncomingMessage {
    /** Why the request is refused before any operation is looked up. */
    refusal?: Problem
    /** The body cannot be read to its end; `broken` is emitted, too. */
    broken?: true
    /** The client waits for `100 Continue` before it sends the body. */
    awaitsContinue?: true
  }
}
