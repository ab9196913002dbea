import type { ApiKey as ApiKeyRow } from '../../../generated/prisma/client.ts'
import type { Role } from '../accounts/account.ts'
import { present } from '../rows.ts'

export type ApiKey = {
  id: string
  accountId: string
  /** The part of the key that identifies it, in the clear. */
  publicId: string
  name: string
  createdAt: Date
  expiresAt?: Date
  lastUsedAt?: Date
  /** Of a rotated key: it stays valid until then. */
  overlapEndsAt?: Date
  revokedAt?: Date
}

/** A key with what is needed to check it, and the account that it belongs to. */
export type HeldApiKey = ApiKey & {
  hash: Uint8Array
  account: { role: Role; scopes: string[]; disabled: boolean }
}

export type NewApiKey = Pick<ApiKey, 'id' | 'accountId' | 'publicId' | 'name' | 'expiresAt'> & {
  hash: Uint8Array
  now: Date
}

export function toApiKey({ hash: _hash, changedAt: _changed, ...row }: ApiKeyRow): ApiKey {
  return present(row)
}
