import { Prisma, type Session as SessionRow } from '../../../generated/prisma/client.ts'
import type { Query } from '../database/query.ts'
import type { Rotation } from './session.ts'

export const sessionColumns = Prisma.sql`
  s.id, s.account_id AS "accountId", s.refresh_counter AS "refreshCounter",
  s.rotated_at AS "rotatedAt", s.created_at AS "createdAt", s.last_used_at AS "lastUsedAt",
  s.expires_at AS "expiresAt", s.ends_at AS "endsAt", s.revoked_at AS "revokedAt",
  s.address, s.user_agent AS "userAgent"`

/** `least` compares with another column, which no model call can say. */
export function rotate(query: Query, { id, counter, now, expiresAt }: Rotation) {
  return query<SessionRow[]>`
    UPDATE sessions AS s
    SET refresh_counter = s.refresh_counter + 1,
      rotated_at = ${now}::timestamptz,
      last_used_at = ${now}::timestamptz,
      expires_at = least(${expiresAt}::timestamptz, s.ends_at)
    WHERE s.id = ${id}::uuid AND s.refresh_counter = ${counter}::int
      AND s.revoked_at IS NULL AND s.expires_at > ${now}::timestamptz
      AND EXISTS (
        SELECT FROM accounts a
        WHERE a.id = s.account_id AND a.disabled_at IS NULL AND a.closed_at IS NULL
      )
    RETURNING ${sessionColumns}`
}
