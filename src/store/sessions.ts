import type { Session as SessionRow } from '../../generated/prisma/client.ts'
import { present } from './rows.ts'
import type { Client } from './database/query.ts'

export type Session = {
  id: string
  accountId: string
  /** How often the refresh token was rotated: the live one has this counter. */
  refreshCounter: number
  /** Of the last rotation; at first, of the login. */
  rotatedAt: Date
  createdAt: Date
  lastUsedAt: Date
  /** Slides with every rotation, never beyond `endsAt`. */
  expiresAt: Date
  endsAt: Date
  revokedAt?: Date
  address: string
  userAgent: string
}

export type NewSession = Pick<
  Session,
  'id' | 'accountId' | 'expiresAt' | 'endsAt' | 'address' | 'userAgent'
> & { now: Date }

export type Rotation = { id: string; counter: number; now: Date; expiresAt: Date }

/** Who is signed in, from where. */
export const sessionStore = ({ prisma, query }: Client) => ({
  async create({ now, ...session }: NewSession): Promise<Session> {
    const data = { ...session, createdAt: now, lastUsedAt: now, rotatedAt: now }
    return present(await prisma.session.create({ data }))
  },

  /** Revoked and expired ones too, until they are pruned; not of an account that is closed. */
  async find(id: string): Promise<Session | undefined> {
    const row = await prisma.session.findUnique({ where: { id, account: { closedAt: null } } })
    return row ? present(row) : undefined
  },

  /** Live ones of the account, the last used first. */
  async listLive(page: {
    accountId: string
    now: Date
    limit: number
    after?: { lastUsedAt: Date; id: string }
  }): Promise<Session[]> {
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
  },

  /** Live ones, each once, in an order that no refresh moves it in: for reading all of them. */
  async walkLive(page: {
    accountId: string
    now: Date
    limit: number
    afterId?: string
  }): Promise<Session[]> {
    const { accountId, now, limit, afterId } = page
    const after = afterId === undefined ? {} : { id: { gt: afterId } }
    const where = { accountId, revokedAt: null, expiresAt: { gt: now }, ...after }
    const rows = await prisma.session.findMany({ where, orderBy: { id: 'asc' }, take: limit })
    return rows.map(present)
  },

  /**
   * Of any number of rotations from one counter, exactly one gets the session; none while the
   * account is disabled, or when it is closed.
   */
  async rotate({ id, counter, now, expiresAt }: Rotation): Promise<Session | undefined> {
    const [row] = await query<SessionRow[]>`
      UPDATE sessions
      SET refresh_counter = refresh_counter + 1,
        rotated_at = ${now}::timestamptz,
        last_used_at = ${now}::timestamptz,
        expires_at = least(${expiresAt}::timestamptz, ends_at)
      WHERE id = ${id}::uuid AND refresh_counter = ${counter}::int
        AND revoked_at IS NULL AND expires_at > ${now}::timestamptz
        AND EXISTS (
          SELECT FROM accounts a
          WHERE a.id = account_id AND a.disabled_at IS NULL AND a.closed_at IS NULL
        )
      RETURNING id, account_id AS "accountId", refresh_counter AS "refreshCounter",
        rotated_at AS "rotatedAt", created_at AS "createdAt", last_used_at AS "lastUsedAt",
        expires_at AS "expiresAt", ends_at AS "endsAt", revoked_at AS "revokedAt",
        address, user_agent AS "userAgent"`
    return row && present(row)
  },

  /** False when it is unknown or was revoked before. */
  async revoke({ id, now }: { id: string; now: Date }): Promise<boolean> {
    const { count } = await prisma.session.updateMany({
      where: { id, revokedAt: null },
      data: { revokedAt: now },
    })
    return count > 0
  },

  /**
   * Live ones of the account: one, all but one, or all.
   * @returns the ids of those revoked now
   */
  async revokeOwned(which: {
    accountId: string
    id?: string
    exceptId?: string
    now: Date
  }): Promise<string[]> {
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
  },

  /** Those revoked at `at` or later, of all accounts. */
  async revokedSince(at: Date): Promise<{ id: string; revokedAt: Date }[]> {
    return query<{ id: string; revokedAt: Date }[]>`
      SELECT id, revoked_at AS "revokedAt" FROM sessions
      WHERE revoked_at >= ${at}::timestamptz ORDER BY revoked_at`
  },

  /** Forgets those that expired before; returns how many. */
  async deleteExpired(before: Date): Promise<number> {
    const { count } = await prisma.session.deleteMany({ where: { expiresAt: { lt: before } } })
    return count
  },
})
