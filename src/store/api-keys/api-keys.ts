import type { Client } from '../database/query.ts'
import { type ApiKey, type HeldApiKey, type NewApiKey, toApiKey } from './api-key.ts'
import * as statements from './statements.ts'

async function create({ prisma }: Client, { now, hash, ...key }: NewApiKey): Promise<ApiKey> {
  const data = { ...key, hash: Uint8Array.from(hash), createdAt: now }
  return toApiKey(await prisma.apiKey.create({ data }))
}

async function isAlive({ prisma }: Client, { id, now }: { id: string; now: Date }) {
  const account = { closedAt: null, disabledAt: null }
  return (await prisma.apiKey.count({ where: { id, account, ...aliveAt(now) } })) > 0
}

/** Finds what a presented key is checked against; nothing of a closed account. */
async function findHeld({ prisma }: Client, publicId: string): Promise<HeldApiKey | undefined> {
  const row = await prisma.apiKey.findUnique({
    where: { publicId, account: { closedAt: null } },
    include: { account: { select: { role: true, scopes: true, disabledAt: true } } },
  })
  if (!row) return undefined
  const { account, ...key } = row
  const { disabledAt, ...rest } = account
  return { ...toApiKey(key), hash: row.hash, account: { ...rest, disabled: disabledAt !== null } }
}

type Page = { accountId: string; limit: number; after?: string }

/** Lists the newest first; `after` is the id of the last one seen. */
async function list({ prisma }: Client, { accountId, limit, after }: Page): Promise<ApiKey[]> {
  const rows = await prisma.apiKey.findMany({
    where: { accountId, ...(after !== undefined && { id: { lt: after } }) },
    orderBy: { id: 'desc' },
    take: limit,
  })
  return rows.map(toApiKey)
}

type End = {
  id: string
  accountId: string
  now: Date
  as: { revokedAt: Date } | { overlapEndsAt: Date }
}

/** Ends a live key. Undefined when the account has no such key that is alive. */
async function end({ prisma }: Client, which: End): Promise<ApiKey | undefined> {
  const { id, accountId, now, as } = which
  const [row] = await prisma.apiKey.updateManyAndReturn({
    where: {
      id,
      accountId,
      ...aliveAt(now),
      // A rotated key can still be revoked, but has a successor already.
      ...('overlapEndsAt' in as && { overlapEndsAt: null }),
    },
    data: { ...as, changedAt: now },
  })
  return row && toApiKey(row)
}

/** Lists the keys revoked or rotated at `at` or later. */
async function changedSince({ prisma }: Client, at: Date) {
  const rows = await prisma.apiKey.findMany({
    where: { changedAt: { gte: at } },
    select: { id: true, changedAt: true },
  })
  return rows.map(({ id, changedAt }) => ({ id, changedAt: changedAt! }))
}

/** Records the last use of each. */
async function touch({ prisma }: Client, uses: readonly { id: string; at: Date }[]) {
  await statements.touch(prisma, uses)
}

/** The keys of service accounts. */
export const apiKeyVerbs = { create, isAlive, findHeld, list, end, changedSince, touch }

function aliveAt(now: Date) {
  return {
    revokedAt: null,
    AND: [
      { OR: [{ expiresAt: null }, { expiresAt: { gt: now } }] },
      { OR: [{ overlapEndsAt: null }, { overlapEndsAt: { gt: now } }] },
    ],
  }
}
