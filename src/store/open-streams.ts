import type { Client } from './database/query.ts'

type Place = { id: string; accountId: string; now: Date; until: Date }

/** The streams that callers have open, on all instances. */
export const openStreamStore = ({ prisma }: Client) => ({
  /**
   * Takes a place unless the account has as many as it may; for a transaction. Of any number at
   * once no more get one than there are: each waits for the account first.
   */
  async take({ id, accountId, most, now, until }: Place & { most: number }): Promise<boolean> {
    await prisma.$executeRaw`SELECT 1 FROM accounts WHERE id = ${accountId}::uuid FOR NO KEY UPDATE`
    const taken = await prisma.$executeRaw`
      INSERT INTO open_streams (id, account_id, until)
      SELECT ${id}::uuid, ${accountId}::uuid, ${until}::timestamptz
      WHERE ${most}::int > (
        SELECT count(*) FROM open_streams
        WHERE account_id = ${accountId}::uuid AND until > ${now}::timestamptz
      )`
    return taken > 0
  },

  async release(id: string): Promise<void> {
    await prisma.openStream.deleteMany({ where: { id } })
  },

  /** Says that the instance lives which holds these. */
  async renew({ ids, until }: { ids: readonly string[]; until: Date }): Promise<void> {
    await prisma.openStream.updateMany({ where: { id: { in: [...ids] } }, data: { until } })
  },

  /** Forgets those whose instance has died. */
  async deleteExpired(now: Date): Promise<void> {
    await prisma.openStream.deleteMany({ where: { until: { lte: now } } })
  },
})
