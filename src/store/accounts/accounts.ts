import type { Client } from '../database/query.ts'
import { type Searched, toSearched } from '../searching.ts'
import {
  type Account,
  type AccountFilter,
  type NewAccount,
  preferenceColumns,
  type ProfileChanges,
  toAccount,
} from './account.ts'
import * as statements from './statements.ts'

async function find({ query }: Client, id: string): Promise<Account | undefined> {
  const [row] = await statements.find(query, id)
  return row && toAccount(row)
}

/** `email` trimmed and lower-cased, as it was given to `create`. */
async function findByEmail({ prisma }: Client, email: string): Promise<Account | undefined> {
  const row = await prisma.account.findUnique({ where: { email, closedAt: null } })
  return row ? toAccount(row) : undefined
}

/** Lists the newest first. */
async function list({ prisma }: Client, filter: AccountFilter): Promise<Account[]> {
  const { roles, disabled, limit, after } = filter
  const rows = await prisma.account.findMany({
    where: {
      closedAt: null,
      role: { in: [...roles] },
      ...(disabled !== undefined && { disabledAt: disabled ? { not: null } : null }),
      ...(after && {
        // Implied by the next line, but an index scan can start there.
        createdAt: { lte: after.createdAt },
        OR: [
          { createdAt: { lt: after.createdAt } },
          { createdAt: after.createdAt, id: { lt: after.id } },
        ],
      }),
    },
    orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
    take: limit,
  })
  return rows.map(toAccount)
}

/**
 * Finds accounts whose email or display name contains the text, in any case, the newest first,
 * among the next 5,000.
 */
async function search(
  { query }: Client,
  filter: AccountFilter & { text: string },
): Promise<Searched<Account>> {
  const { found, lookedUpTo } = toSearched(await statements.search(query, filter))
  return { found: found.map(toAccount), ...(lookedUpTo && { lookedUpTo: toAccount(lookedUpTo) }) }
}

async function hasAdmin({ prisma }: Client): Promise<boolean> {
  const where = { role: 'admin', closedAt: null } as const
  return (await prisma.account.findFirst({ where, select: { id: true } })) !== null
}

async function create(
  { prisma }: Client,
  { now, scopes = [], ...account }: NewAccount,
): Promise<Account | 'email-taken'> {
  const data = { ...account, scopes: [...scopes], createdAt: now, updatedAt: now }
  // A violated constraint would end the transaction that this may be part of.
  const [row] = await prisma.account.createManyAndReturn({ data, skipDuplicates: true })
  return row ? toAccount(row) : 'email-taken'
}

/** Gets the display name, which then cannot change until the transaction ends. */
async function lockName({ query }: Client, id: string): Promise<string | undefined> {
  const [row] = await statements.lockName(query, id)
  return row?.name
}

/** `stale` when the version is not the expected one, undefined when there is no account. */
async function updateProfile(
  { prisma }: Client,
  changes: ProfileChanges,
): Promise<Account | 'stale' | undefined> {
  const { id, displayName, preferences, expectedVersions, now } = changes
  const [row] = await prisma.account.updateManyAndReturn({
    where: {
      id,
      closedAt: null,
      ...(expectedVersions !== undefined && { version: { in: [...expectedVersions] } }),
    },
    data: {
      displayName,
      ...preferenceColumns(preferences),
      updatedAt: now,
      version: { increment: 1 },
    },
  })
  if (row) return toAccount(row)
  if (expectedVersions === undefined) return undefined
  return (await prisma.account.count({ where: { id, closedAt: null } })) > 0 ? 'stale' : undefined
}

/**
 * Finds the account if it still has this password, which then cannot change until the transaction
 * ends: a session must not open on a password that is being changed.
 */
async function lockForSignIn(
  { query }: Client,
  which: { id: string; passwordHash: string },
): Promise<Account | undefined> {
  const [row] = await statements.lockForSignIn(query, which)
  return row && toAccount(row)
}

type PasswordChange = { id: string; from: string; to: string }

/** False when the account has another password by now. */
async function changePassword(
  { prisma }: Client,
  { id, from, to, now }: PasswordChange & { now: Date },
): Promise<boolean> {
  const { count } = await prisma.account.updateMany({
    where: { id, passwordHash: from },
    data: { passwordHash: to, updatedAt: now, version: { increment: 1 } },
  })
  return count > 0
}

/** Sets a password, whatever it was before. False when there is no such person. */
async function resetPassword(
  { prisma }: Client,
  { id, to, now }: { id: string; to: string; now: Date },
): Promise<boolean> {
  const { count } = await prisma.account.updateMany({
    where: { id, closedAt: null, role: { not: 'service' } },
    data: { passwordHash: to, updatedAt: now, version: { increment: 1 } },
  })
  return count > 0
}

/** Stores a newer hash of the same password. False when the account has another hash by now. */
async function rehashPassword({ prisma }: Client, { id, from, to }: PasswordChange) {
  const where = { id, passwordHash: from }
  const { count } = await prisma.account.updateMany({ where, data: { passwordHash: to } })
  return count > 0
}

/** People who may sign in, and programs that may call. A closed account is never found. */
export const accountVerbs = {
  find,
  findByEmail,
  list,
  search,
  hasAdmin,
  create,
  lockName,
  updateProfile,
  lockForSignIn,
  changePassword,
  resetPassword,
  rehashPassword,
}
