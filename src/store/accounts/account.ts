import type { Account as AccountRow } from '../../../generated/prisma/client.ts'
import { present } from '../rows.ts'

export type Role = 'user' | 'admin' | 'service'

export type Preferences = { defaultMode?: string; locale?: string; timeZone?: string }

/** Quotas of one account instead of the server's. */
export type PersonalLimits = { hourly?: number; chatPerMinute?: number }

export type Account = {
  id: string
  role: Role
  /** Lower-cased; absent for a service account. */
  email?: string
  displayName: string
  passwordHash?: string
  preferences: Preferences
  /** Of a service account; those of a person follow from the role. */
  scopes: string[]
  limits: PersonalLimits
  disabledAt?: Date
  /** Grows by one with every change. */
  version: number
  createdAt: Date
  updatedAt: Date
}

export type NewAccount = Pick<Account, 'id' | 'role' | 'email' | 'displayName' | 'passwordHash'> & {
  scopes?: readonly string[]
  now: Date
}

export type ProfileChanges = {
  id: string
  displayName: string
  /** Replace the former ones; what is absent is removed. */
  preferences: Preferences
  expectedVersions?: readonly number[]
  now: Date
}

export type AccountFilter = {
  roles: readonly Role[]
  disabled?: boolean
  limit: number
  /** Newest first: after the account with this time and id. */
  after?: { createdAt: Date; id: string }
}

export function toAccount(row: AccountRow): Account {
  const { defaultMode, locale, timeZone, hourlyLimit, chatLimit, ...rest } = row
  const { closedAt: _closed, standingAt: _standing, ...account } = present(rest)
  return {
    ...account,
    preferences: present({ defaultMode, locale, timeZone }),
    limits: toLimits({ hourlyLimit, chatLimit }),
  }
}

export function toLimits(row: Pick<AccountRow, 'hourlyLimit' | 'chatLimit'>): PersonalLimits {
  return present({ hourly: row.hourlyLimit, chatPerMinute: row.chatLimit })
}

/** The columns that hold preferences; an absent one is emptied. */
export function preferenceColumns({ defaultMode, locale, timeZone }: Preferences) {
  return {
    defaultMode: defaultMode ?? null,
    locale: locale ?? null,
    timeZone: timeZone ?? null,
  }
}
