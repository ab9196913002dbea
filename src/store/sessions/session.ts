export type Session = {
  id: string
  accountId: string
  /** How often the refresh token was rotated: the valid one has this counter. */
  refreshCounter: number
  /** Of the last rotation; at first, of the login. */
  rotatedAt: Date
  createdAt: Date
  lastUsedAt: Date
  /** Slides with every rotation, never beyond `endsAt`. */
  expiresAt: Date
  endsAt: Date
  revokedAt?: Date
  address: string
  userAgent: string
}

export type NewSession = Pick<
  Session,
  'id' | 'accountId' | 'expiresAt' | 'endsAt' | 'address' | 'userAgent'
> & { now: Date }

export type Rotation = { id: string; counter: number; now: Date; expiresAt: Date }
