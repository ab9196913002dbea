import type { PrismaClient } from '../../../generated/prisma/client.ts'

export type Place = { id: string; accountId: string; now: Date; until: Date }

/** Prisma has no row locks. */
export function lockAccount(prisma: PrismaClient, accountId: string) {
  return prisma.$executeRaw`SELECT 1 FROM accounts WHERE id = ${accountId}::uuid FOR NO KEY UPDATE`
}

/** Counts and inserts at once, which no model call can say. */
export function insertBelow(
  prisma: PrismaClient,
  { id, accountId, most, now, until }: Place & { most: number },
) {
  return prisma.$executeRaw`
    INSERT INTO open_streams (id, account_id, until)
    SELECT ${id}::uuid, ${accountId}::uuid, ${until}::timestamptz
    WHERE ${most}::int > (
      SELECT count(*) FROM open_streams
      WHERE account_id = ${accountId}::uuid AND until > ${now}::timestamptz
    )`
}
