import type { Client } from '../database/query.ts'
import { present } from '../rows.ts'
import type { NewSession, Rotation, Session } from './session.ts'
import * as statements from './statements.ts'

async function create({ prisma }: Client, { now, ...session }: NewSession): Promise<Session> {
  const data = { ...session, createdAt: now, lastUsedAt: now, rotatedAt: now }
  return present(await prisma.session.create({ data }))
}

/** Finds revoked and expired sessions too, until they are pruned; none of a closed account. */
async function find({ prisma }: Client, id: string): Promise<Session | undefined> {
  const row = await prisma.session.findUnique({ where: { id, account: { closedAt: null } } })
  return row ? present(row) : undefined
}

type LivePage = {
  accountId: string
  now: Date
  limit: number
  after?: { lastUsedAt: Date; id: string }
}

/** Lists the live sessions of the account, the last used first. */
async function listLive({ prisma }: Client, page: LivePage): Promise<Session[]> {
  const { accountId, now, limit, after } = page
  const rows = await prisma.session.findMany({
    where: {
      accountId,
      revokedAt: null,
      expiresAt: { gt: now },
      ...(after && {
        OR: [
          { lastUsedAt: { lt: after.lastUsedAt } },
          { lastUsedAt: after.lastUsedAt, id: { lt: after.id } },
        ],
      }),
    },
    orderBy: [{ lastUsedAt: 'desc' }, { id: 'desc' }],
    take: limit,
  })
  return rows.map(present)
}

type LiveWalk = { accountId: string; now: Date; limit: number; afterId?: string }

/** Lists each live session once, in an order that no refresh changes: for reading all of them. */
async function walkLive({ prisma }: Client, page: LiveWalk): Promise<Session[]> {
  const { accountId, now, limit, afterId } = page
  const after = afterId === undefined ? {} : { id: { gt: afterId } }
  const where = { accountId, revokedAt: null, expiresAt: { gt: now }, ...after }
  const rows = await prisma.session.findMany({ where, orderBy: { id: 'asc' }, take: limit })
  return rows.map(present)
}

/**
 * Of any number of rotations from one counter, exactly one gets the session; none while the
 * account is disabled, or when it is closed.
 */
async function rotate({ query }: Client, rotation: Rotation): Promise<Session | undefined> {
  const [row] = await statements.rotate(query, rotation)
  return row && present(row)
}

/** False when the session is unknown or already revoked. */
async function revoke({ prisma }: Client, { id, now }: { id: string; now: Date }) {
  const { count } = await prisma.session.updateMany({
    where: { id, revokedAt: null },
    data: { revokedAt: now },
  })
  return count > 0
}

type Owned = { accountId: string; id?: string; exceptId?: string; now: Date }

/**
 * Revokes live sessions of the account: one, all but one, or all.
 * @returns the ids of those revoked now
 */
async function revokeOwned({ prisma }: Client, which: Owned): Promise<string[]> {
  const { accountId, id, exceptId, now } = which
  const rows = await prisma.session.updateManyAndReturn({
    where: {
      accountId,
      revokedAt: null,
      expiresAt: { gt: now },
      AND: [
        id === undefined ? {} : { id },
        exceptId === undefined ? {} : { id: { not: exceptId } },
      ],
    },
    data: { revokedAt: now },
    select: { id: true },
  })
  return rows.map((row) => row.id)
}

/** Lists the sessions revoked at `at` or later, of all accounts. */
async function revokedSince({ prisma }: Client, at: Date) {
  const rows = await prisma.session.findMany({
    where: { revokedAt: { gte: at } },
    select: { id: true, revokedAt: true },
    orderBy: { revokedAt: 'asc' },
  })
  return rows.map(({ id, revokedAt }) => ({ id, revokedAt: revokedAt! }))
}

/** Deletes the sessions that expired before; returns how many. */
async function deleteExpired({ prisma }: Client, before: Date): Promise<number> {
  const { count } = await prisma.session.deleteMany({ where: { expiresAt: { lt: before } } })
  return count
}

/** Who is signed in, and from where. */
export const sessionVerbs = {
  create,
  find,
  listLive,
  walkLive,
  rotate,
  revoke,
  revokeOwned,
  revokedSince,
  deleteExpired,
}
