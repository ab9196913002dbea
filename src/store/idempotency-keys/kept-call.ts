/** A caller's name for a call of one operation. */
export type KeyName = { accountId: string; operationId: string; key: string }

/** What a call answered. */
export type KeptAnswer = { status: number; headers: Record<string, string>; body: string }

export type KeptCall = {
  /** SHA-256 of the canonical body. */
  fingerprint: Uint8Array
  /** The id of what the call creates. */
  thingId: string
  /** Its process counts as alive until then; absent once the call is answered. */
  leaseUntil?: Date
  answer?: KeptAnswer
}
