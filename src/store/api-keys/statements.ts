import type { PrismaClient } from '../../../generated/prisma/client.ts'

/** Many rows, each with a value of its own, in one statement. */
export function touch(prisma: PrismaClient, uses: readonly { id: string; at: Date }[]) {
  const ids = uses.map(({ id }) => id)
  const times = uses.map(({ at }) => at.toISOString())
  return prisma.$executeRaw`
    UPDATE api_keys k SET last_used_at = greatest(k.last_used_at, u.at)
    FROM unnest(${ids}::uuid[], ${times}::timestamptz[]) AS u (id, at) WHERE k.id = u.id`
}
