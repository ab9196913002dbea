/** A caller's name for a call of one operation. */
export type KeyName = { accountId: string; operationId: string; key: string }

/** The reply to a call, as it was sent. */
export type KeptReply = { status: number; headers: Record<string, string>; body: string }

export type KeptCall = {
  /** SHA-256 of the canonical body. */
  fingerprint: Uint8Array
  /** The id of what the call creates. */
  resourceId: string
  /** Its process counts as alive until then; absent once the reply is kept. */
  leaseUntil?: Date
  reply?: KeptReply
}
