import type { ProblemCode } from '../../../generated/api.ts'
import type { Policy } from '../../contract/policy.ts'
import type { Call } from '../../domain/calls/call.ts'
import type { Claim } from '../../domain/calls/idempotency.ts'
import type { Principal } from '../../domain/access/principal.ts'
import type { Problem } from '../../domain/problem.ts'

/** What the journey knows of a request so far. It is filled step by step and ends in the log. */
export type CallState = Call & {
  startedAtMs: number
  /** Of its trace, where there are traces. */
  traceId?: string
  /** The operation, once one is matched. */
  policy?: Policy
  /** Who calls, once a credential is verified. */
  principal?: Principal
  /** The body has a media type or a coding that no operation takes. */
  bodyRefused?: true
  /** A limit is spent; the call may still be answered as it was before. */
  refusal?: Problem
  /** What the call holds on its key. */
  claim?: Claim
  /** The code of the problem that was answered. */
  problemCode?: ProblemCode
}

declare module 'express-serve-static-core' {
  interface Request {
    call: CallState
  }
}

declare module 'node:http' {
  interface IncomingMessage {
    /** Why it is refused before any operation is looked for. */
    refusal?: Problem
    /** Its body cannot be read to its end; whoever reads it hears `broken`. */
    broken?: true
    /** Its client sends the body when it is told to (`100 Continue`). */
    awaitsContinue?: true
  }
}
