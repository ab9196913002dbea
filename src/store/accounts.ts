import { Prisma, type Account as AccountRow } from '../../generated/prisma/client.ts'
import { present } from './rows.ts'
import type { Client } from './database/query.ts'

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
  /** Of a service account; a person's follow from the role. */
  scopes: string[]
  limits: PersonalLimits
  disabledAt?: Date
  /** One more with every change. */
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
  /** Replace the former ones; what is absent is forgotten. */
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

/** Who may sign in, and which programs may call. An account that is closed is not found. */
export const accountStore = ({ prisma, query }: Client) => ({
  async find(id: string): Promise<Account | undefined> {
    const [row] = await query<AccountRow[]>`
      SELECT ${accountColumns} FROM accounts a WHERE a.id = ${id}::uuid AND a.closed_at IS NULL`
    return row && toAccount(row)
  },

  /** `email` trimmed and lower-cased, as it was given to `create`. */
  async findByEmail(email: string): Promise<Account | undefined> {
    const row = await prisma.account.findUnique({ where: { email, closedAt: null } })
    return row ? toAccount(row) : undefined
  },

  /** The newest first. */
  async list({ limit, ...filter }: AccountFilter): Promise<Account[]> {
    const rows = await query<AccountRow[]>`
      SELECT ${accountColumns} FROM accounts a ${listedAccounts(filter)} LIMIT ${limit}::int`
    return rows.map(toAccount)
  },

  async hasAdmin(): Promise<boolean> {
    const where = { role: 'admin', closedAt: null } as const
    return (await prisma.account.findFirst({ where, select: { id: true } })) !== null
  },

  async create({ now, scopes = [], ...account }: NewAccount): Promise<Account | 'email-taken'> {
    const data = { ...account, scopes: [...scopes], createdAt: now, updatedAt: now }
    // A violated constraint would end the transaction that this may be part of.
    const [row] = await prisma.account.createManyAndReturn({ data, skipDuplicates: true })
    return row ? toAccount(row) : 'email-taken'
  },

  /** What the account is called, and it is called nothing else until the transaction ends. */
  async lockName(id: string): Promise<string | undefined> {
    const [row] = await query<{ name: string }[]>`
      SELECT display_name AS name FROM accounts
      WHERE id = ${id}::uuid AND closed_at IS NULL FOR NO KEY UPDATE`
    return row?.name
  },

  /** `stale` when the version is not the expected one, undefined when there is no account. */
  async updateProfile(changes: ProfileChanges): Promise<Account | 'stale' | undefined> {
    const { id, displayName, preferences, expectedVersions, now } = changes
    const [row] = await prisma.account.updateManyAndReturn({
      where: {
        id,
        closedAt: null,
        ...(expectedVersions !== undefined && { version: { in: [...expectedVersions] } }),
      },
      data: { displayName, ...toColumns(preferences), updatedAt: now, version: { increment: 1 } },
    })
    if (row) return toAccount(row)
    if (expectedVersions === undefined) return undefined
    return (await prisma.account.count({ where: { id, closedAt: null } })) > 0 ? 'stale' : undefined
  },

  /**
   * Finds the account if it still has this password, and keeps that so until the transaction ends:
   * a session must not open on a password that is just being changed.
   */
  async lockForSignIn(which: { id: string; passwordHash: string }): Promise<Account | undefined> {
    const { id, passwordHash } = which
    const [row] = await query<AccountRow[]>`
      SELECT ${accountColumns} FROM accounts a
      WHERE a.id = ${id}::uuid AND a.password_hash = ${passwordHash}::text
        AND a.closed_at IS NULL FOR SHARE`
    return row && toAccount(row)
  },

  /** False when the account has another password by now. */
  async changePassword(change: {
    id: string
    from: string
    to: string
    now: Date
  }): Promise<boolean> {
    const { count } = await prisma.account.updateMany({
      where: { id: change.id, passwordHash: change.from },
      data: { passwordHash: change.to, updatedAt: change.now, version: { increment: 1 } },
    })
    return count > 0
  },

  /** Whatever it was before. False when there is no such person. */
  async resetPassword({ id, to, now }: { id: string; to: string; now: Date }): Promise<boolean> {
    const { count } = await prisma.account.updateMany({
      where: { id, closedAt: null, role: { not: 'service' } },
      data: { passwordHash: to, updatedAt: now, version: { increment: 1 } },
    })
    return count > 0
  },

  /** The same password in a newer hash. False when the account has another hash by now. */
  async rehashPassword(change: { id: string; from: string; to: string }): Promise<boolean> {
    const { id, from, to } = change
    const where = { id, passwordHash: from }
    const { count } = await prisma.account.updateMany({ where, data: { passwordHash: to } })
    return count > 0
  },
})

/** The columns of an account, of a table called `a`. */
export const accountColumns = Prisma.sql`
  a.id, a.role, a.email, a.display_name AS "displayName", a.password_hash AS "passwordHash",
  a.default_mode AS "defaultMode", a.locale, a.time_zone AS "timeZone", a.scopes,
  a.hourly_limit AS "hourlyLimit", a.chat_limit AS "chatLimit", a.disabled_at AS "disabledAt",
  a.closed_at AS "closedAt", a.standing_at AS "standingAt", a.version,
  a.created_at AS "createdAt", a.updated_at AS "updatedAt"`

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

function toColumns({ defaultMode, locale, timeZone }: Preferences) {
  return {
    defaultMode: defaultMode ?? null,
    locale: locale ?? null,
    timeZone: timeZone ?? null,
  }
}

/** The condition and the order of a list of a table called `a`. */
export function listedAccounts(filter: Omit<AccountFilter, 'limit'>): Prisma.Sql {
  const { roles, disabled, after } = filter
  return Prisma.sql`
    WHERE a.closed_at IS NULL AND ${oneOf(roles)}
    ${disabled === undefined ? Prisma.empty : Prisma.sql`AND (a.disabled_at IS NOT NULL) = ${disabled}::boolean`}
    ${after === undefined ? Prisma.empty : follows(after)}
    ORDER BY a.created_at DESC, a.id DESC`
}

// Of one role alone an index has the order.
function oneOf(roles: readonly Role[]): Prisma.Sql {
  const [role, ...others] = roles
  if (others.length === 0) return Prisma.sql`a.role = ${role}::role`
  return Prisma.sql`a.role = ANY(${[...roles]}::role[])`
}

function follows({ createdAt, id }: { createdAt: Date; id: string }): Prisma.Sql {
  return Prisma.sql`AND (a.created_at, a.id) < (${createdAt}::timestamptz, ${id}::uuid)`
}
