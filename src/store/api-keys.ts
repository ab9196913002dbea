import type { ApiKey as ApiKeyRow } from '../../generated/prisma/client.ts'
import { present } from './rows.ts'
import type { Role } from './accounts.ts'
import type { Client } from './database/query.ts'

export type ApiKey = {
  id: string
  accountId: string
  /** The part of the key that names it, in the clear. */
  publicId: string
  name: string
  createdAt: Date
  expiresAt?: Date
  lastUsedAt?: Date
  /** Of a key that was rotated: until then it goes on. */
  overlapEndsAt?: Date
  revokedAt?: Date
}

/** A key with what is needed to check it, and who it is. */
export type HeldApiKey = ApiKey & {
  hash: Uint8Array
  account: { role: Role; scopes: string[]; disabled: boolean }
}

export type NewApiKey = Pick<ApiKey, 'id' | 'accountId' | 'publicId' | 'name' | 'expiresAt'> & {
  hash: Uint8Array
  now: Date
}

type Owned = { id: string; accountId: string }

/** The keys of service accounts. */
export const apiKeyStore = ({ prisma, query }: Client) => ({
  async create({ now, hash, ...key }: NewApiKey): Promise<ApiKey> {
    const data = { ...key, hash: Uint8Array.from(hash), createdAt: now }
    return toApiKey(await prisma.apiKey.create({ data }))
  },

  async isAlive({ id, now }: { id: string; now: Date }): Promise<boolean> {
    const account = { closedAt: null, disabledAt: null }
    return (await prisma.apiKey.count({ where: { id, account, ...aliveAt(now) } })) > 0
  },

  /** For checking a key that somebody shows: not of an account that is closed. */
  async findHeld(publicId: string): Promise<HeldApiKey | undefined> {
    const row = await prisma.apiKey.findUnique({
      where: { publicId, account: { closedAt: null } },
      include: { account: { select: { role: true, scopes: true, disabledAt: true } } },
    })
    if (!row) return undefined
    const { account, ...key } = row
    const { disabledAt, ...rest } = account
    return {
      ...toApiKey(key),
      hash: row.hash,
      account: { ...rest, disabled: disabledAt !== null },
    }
  },

  /** The newest first; `after` the id of the last one seen. */
  async list(page: { accountId: string; limit: number; after?: string }): Promise<ApiKey[]> {
    const { accountId, limit, after } = page
    const rows = await prisma.apiKey.findMany({
      where: { accountId, ...(after !== undefined && { id: { lt: after } }) },
      orderBy: { id: 'desc' },
      take: limit,
    })
    return rows.map(toApiKey)
  },

  /** Ends a live key. Undefined when the account has no such key that is alive. */
  async end(
    which: Owned & { now: Date; as: { revokedAt: Date } | { overlapEndsAt: Date } },
  ): Promise<ApiKey | undefined> {
    const { id, accountId, now, as } = which
    const [row] = await prisma.apiKey.updateManyAndReturn({
      where: {
        id,
        accountId,
        ...aliveAt(now),
        // A key that was rotated can still be revoked, but has a successor already.
        ...('overlapEndsAt' in as && { overlapEndsAt: null }),
      },
      data: { ...as, changedAt: now },
    })
    return row && toApiKey(row)
  },

  /** Those that were revoked or rotated at `at` or later. */
  async changedSince(at: Date): Promise<{ id: string; changedAt: Date }[]> {
    return query<{ id: string; changedAt: Date }[]>`
      SELECT id, changed_at AS "changedAt" FROM api_keys WHERE changed_at >= ${at}::timestamptz`
  },

  /** Notes the last use of each. */
  async touch(uses: readonly { id: string; at: Date }[]): Promise<void> {
    const ids = uses.map(({ id }) => id)
    const times = uses.map(({ at }) => at.toISOString())
    await prisma.$executeRaw`
      UPDATE api_keys k SET last_used_at = greatest(k.last_used_at, u.at)
      FROM unnest(${ids}::uuid[], ${times}::timestamptz[]) AS u (id, at) WHERE k.id = u.id`
  },
})

function aliveAt(now: Date) {
  return {
    revokedAt: null,
    AND: [
      { OR: [{ expiresAt: null }, { expiresAt: { gt: now } }] },
      { OR: [{ overlapEndsAt: null }, { overlapEndsAt: { gt: now } }] },
    ],
  }
}

function toApiKey({ hash: _hash, changedAt: _changed, ...row }: ApiKeyRow): ApiKey {
  return present(row)
}
