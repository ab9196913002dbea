import type { Account as AccountRow } from '../../../generated/prisma/client.ts'
import type { Client } from '../database/query.ts'
import { type Account, type PersonalLimits, type Role, toAccount, toLimits } from './account.ts'
import * as statements from './statements.ts'

/** What an account may do now, whatever the credentials issued to it say. */
export type Standing = {
  id: string
  role: Role
  /** Of a service account. */
  scopes: string[]
  limits: PersonalLimits
  state: 'active' | 'disabled' | 'closed'
  /** Of the account's row: the higher is the later. */
  version: number
}

export type AccountChanges = {
  displayName?: string
  role?: Role
  scopes?: readonly string[]
  disabled?: boolean
  /** Replace the former ones; for an absent one the server's applies. */
  limits?: PersonalLimits
}

type Versioned = { id: string; expectedVersions?: readonly number[]; now: Date }

/** Undefined when there is no such account at one of the versions. */
async function change(
  { prisma }: Client,
  { id, changes, expectedVersions, now }: Versioned & { changes: AccountChanges },
): Promise<Account | undefined> {
  const [row] = await prisma.account.updateManyAndReturn({
    where: atVersion(id, expectedVersions),
    data: {
      ...changedColumns(changes, now),
      standingAt: now,
      updatedAt: now,
      version: { increment: 1 },
    },
  })
  return row && toAccount(row)
}

/**
 * Removes everything that identifies the account and that it signs in with. What it owned is left to
 * `closedAccounts.sweep`. Undefined when there is no such account at one of the versions.
 */
async function close(
  { prisma }: Client,
  { id, expectedVersions, now }: Versioned,
): Promise<Standing | undefined> {
  const [row] = await prisma.account.updateManyAndReturn({
    where: atVersion(id, expectedVersions),
    data: {
      ...ANONYMOUS,
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
}

/** The ids of the administrators who may sign in; none of them changes until the transaction ends. */
async function lockAdmins({ query }: Client): Promise<string[]> {
  const rows = await statements.lockAdmins(query)
  return rows.map(({ id }) => id)
}

/** Of the accounts that changed at `at` or later. */
async function changedSince({ prisma }: Client, at: Date): Promise<Standing[]> {
  const where = { standingAt: { gte: at } }
  const rows = await prisma.account.findMany({ where, select: STANDING })
  return rows.map(toStanding)
}

/** Of the accounts that have limits of their own. */
async function withLimits({ prisma }: Client): Promise<Standing[]> {
  const rows = await prisma.account.findMany({
    where: { closedAt: null, OR: [{ hourlyLimit: { not: null } }, { chatLimit: { not: null } }] },
    select: STANDING,
  })
  return rows.map(toStanding)
}

/** What administrators decide of accounts. */
export const standingVerbs = { change, close, lockAdmins, changedSince, withLimits }

const STANDING = {
  id: true,
  role: true,
  scopes: true,
  hourlyLimit: true,
  chatLimit: true,
  disabledAt: true,
  closedAt: true,
  version: true,
} as const

type StandingRow = Pick<AccountRow, keyof typeof STANDING>

const ANONYMOUS = {
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

function changedColumns({ limits, disabled, scopes, ...rest }: AccountChanges, now: Date) {
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
