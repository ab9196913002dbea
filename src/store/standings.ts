import { Prisma, type Account as AccountRow } from '../../generated/prisma/client.ts'
import { type Account, type PersonalLimits, type Role, toAccount, toLimits } from './accounts.ts'
import type { Client } from './database/query.ts'

/** What an account may do now, whatever the credentials say that are out. */
export type Standing = {
  id: string
  role: Role
  /** Of a service account. */
  scopes: string[]
  limits: PersonalLimits
  state: 'active' | 'disabled' | 'closed'
  /** Of the account's row: the higher one is the later one. */
  version: number
}

export type AccountChanges = {
  displayName?: string
  role?: Role
  scopes?: readonly string[]
  disabled?: boolean
  /** Replace the former ones; what is absent is the server's. */
  limits?: PersonalLimits
}

type Versioned = { id: string; expectedVersions?: readonly number[]; now: Date }

/** What administrators decide of accounts. */
export const standingStore = ({ prisma, query }: Client) => ({
  /** Undefined when there is no such account at one of the versions. */
  async change(asked: Versioned & { changes: AccountChanges }): Promise<Account | undefined> {
    const { id, changes, expectedVersions, now } = asked
    const [row] = await prisma.account.updateManyAndReturn({
      where: atVersion(id, expectedVersions),
      data: {
        ...toColumns(changes, now),
        standingAt: now,
        updatedAt: now,
        version: { increment: 1 },
      },
    })
    return row && toAccount(row)
  },

  /**
   * Takes away everything that the account is known by and signs in with, and leaves what it owned
   * to `sweepClosed`. Undefined when there is no such account at one of the versions.
   */
  async close({ id, expectedVersions, now }: Versioned): Promise<Standing | undefined> {
    const [row] = await prisma.account.updateManyAndReturn({
      where: atVersion(id, expectedVersions),
      data: {
        ...NOBODY,
        closedAt: now,
        standingAt: now,
        updatedAt: now,
        version: { increment: 1 },
      },
    })
    if (!row) return undefined
    await prisma.session.deleteMany({ where: { accountId: id } })
    await prisma.apiKey.deleteMany({ where: { accountId: id } })
    return toStanding(row)
  },

  /** The ids of the administrators who may sign in; none of them changes until the transaction ends. */
  async lockAdmins(): Promise<string[]> {
    const rows = await query<{ id: string }[]>`
      SELECT id FROM accounts
      WHERE role = 'admin' AND disabled_at IS NULL AND closed_at IS NULL ORDER BY id FOR UPDATE`
    return rows.map(({ id }) => id)
  },

  /** Of the accounts that changed at `at` or later. */
  async changedSince(at: Date): Promise<Standing[]> {
    const rows = await query<StandingRow[]>`
      SELECT ${standingColumns} FROM accounts WHERE standing_at >= ${at}::timestamptz`
    return rows.map(toStanding)
  },

  /** Of the accounts that have limits of their own. */
  async withLimits(): Promise<Standing[]> {
    const rows = await query<StandingRow[]>`
      SELECT ${standingColumns} FROM accounts
      WHERE (hourly_limit IS NOT NULL OR chat_limit IS NOT NULL) AND closed_at IS NULL`
    return rows.map(toStanding)
  },
})

const standingColumns = Prisma.sql`
  id, role, scopes, hourly_limit AS "hourlyLimit", chat_limit AS "chatLimit",
  disabled_at AS "disabledAt", closed_at AS "closedAt", version`

type StandingRow = Pick<
  AccountRow,
  'id' | 'role' | 'scopes' | 'hourlyLimit' | 'chatLimit' | 'disabledAt' | 'closedAt' | 'version'
>

const NOBODY = {
  email: null,
  displayName: '',
  passwordHash: null,
  defaultMode: null,
  locale: null,
  timeZone: null,
  hourlyLimit: null,
  chatLimit: null,
} as const

function toStanding(row: StandingRow): Standing {
  const { id, role, scopes, disabledAt, closedAt, version } = row
  const open = disabledAt ? 'disabled' : 'active'
  return { id, role, scopes, limits: toLimits(row), state: closedAt ? 'closed' : open, version }
}

function toColumns({ limits, disabled, scopes, ...rest }: AccountChanges, now: Date) {
  return {
    ...rest,
    ...(scopes && { scopes: [...scopes] }),
    ...(disabled !== undefined && { disabledAt: disabled ? now : null }),
    ...(limits && {
      hourlyLimit: limits.hourly ?? null,
      chatLimit: limits.chatPerMinute ?? null,
    }),
  }
}

function atVersion(id: string, versions: readonly number[] | undefined) {
  return { id, closedAt: null, ...(versions && { version: { in: [...versions] } }) }
}
