import type { Account as AccountRow, PrismaClient } from '../../generated/prisma/client.ts'
import { present } from './rows.ts'
import { driverFailure } from './unavailable.ts'

export type Role = 'user' | 'admin' | 'service'

export type Preferences = { defaultMode?: string; locale?: string; timeZone?: string }

export type Account = {
  id: string
  role: Role
  /** Lower-cased; absent for a service account. */
  email?: string
  displayName: string
  passwordHash?: string
  preferences: Preferences
  disabledAt?: Date
  /** One more with every change. */
  version: number
  createdAt: Date
  updatedAt: Date
}

export type NewAccount = Pick<Account, 'id' | 'role' | 'email' | 'displayName' | 'passwordHash'> & {
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

/** Who may sign in. */
export const accountStore = (prisma: PrismaClient) => ({
  async find(id: string): Promise<Account | undefined> {
    const row = await prisma.account.findUnique({ where: { id } })
    return row ? toAccount(row) : undefined
  },

  /** `email` trimmed and lower-cased, as it was given to `create`. */
  async findByEmail(email: string): Promise<Account | undefined> {
    const row = await prisma.account.findUnique({ where: { email } })
    return row ? toAccount(row) : undefined
  },

  async hasAdmin(): Promise<boolean> {
    const admin = await prisma.account.findFirst({ where: { role: 'admin' }, select: { id: true } })
    return admin !== null
  },

  async create({ now, ...account }: NewAccount): Promise<Account | 'email-taken'> {
    try {
      const data = { ...account, createdAt: now, updatedAt: now }
      return toAccount(await prisma.account.create({ data }))
    } catch (error) {
      if (isEmailTaken(error)) return 'email-taken'
      throw error
    }
  },

  /** `stale` when the version is not the expected one, undefined when there is no account. */
  async updateProfile(changes: ProfileChanges): Promise<Account | 'stale' | undefined> {
    const { id, displayName, preferences, expectedVersions, now } = changes
    const [row] = await prisma.account.updateManyAndReturn({
      where: {
        id,
        ...(expectedVersions !== undefined && { version: { in: [...expectedVersions] } }),
      },
      data: { displayName, ...toColumns(preferences), updatedAt: now, version: { increment: 1 } },
    })
    if (row) return toAccount(row)
    if (expectedVersions === undefined) return undefined
    return (await prisma.account.count({ where: { id } })) > 0 ? 'stale' : undefined
  },

  /**
   * Sets the password and ends every session but one, both or neither.
   * @returns the ids of the sessions that ended; undefined when there is no such account
   */
  async changePassword(change: {
    id: string
    passwordHash: string
    exceptSessionId: string
    now: Date
  }): Promise<string[] | undefined> {
    const { id, passwordHash, exceptSessionId, now } = change
    const [row] = await prisma.$queryRaw<{ ended: string[] }[]>`
      WITH account AS (
        UPDATE accounts SET password_hash = ${passwordHash}::text, version = version + 1,
          updated_at = ${now}::timestamptz
        WHERE id = ${id}::uuid RETURNING id
      ), ended AS (
        UPDATE sessions s SET revoked_at = ${now}::timestamptz FROM account a
        WHERE s.account_id = a.id AND s.revoked_at IS NULL AND s.id <> ${exceptSessionId}::uuid
        RETURNING s.id
      )
      SELECT array(SELECT id::text FROM ended) AS ended FROM account`
    return row?.ended
  },

  /** The same password in a newer hash. False when there is no such account. */
  async rehashPassword({
    id,
    passwordHash,
  }: {
    id: string
    passwordHash: string
  }): Promise<boolean> {
    const { count } = await prisma.account.updateMany({ where: { id }, data: { passwordHash } })
    return count > 0
  },
})

function toAccount({ defaultMode, locale, timeZone, ...row }: AccountRow): Account {
  return { ...present(row), preferences: present({ defaultMode, locale, timeZone }) }
}

function toColumns({ defaultMode, locale, timeZone }: Preferences) {
  return {
    defaultMode: defaultMode ?? null,
    locale: locale ?? null,
    timeZone: timeZone ?? null,
  }
}

function isEmailTaken(error: unknown): boolean {
  const { code, text } = driverFailure(error)
  return code === '23505' && text.includes('accounts_email_key')
}
