import { Prisma, type PrismaClient } from '../../../generated/prisma/client.ts'
import type { KeyName } from './kept-call.ts'

/** Either frees the key or ends its lease, by what it finds, in one statement. */
export function release(prisma: PrismaClient, { now, ...name }: KeyName & { now: Date }) {
  const { accountId, operationId, key } = name
  const which = Prisma.sql`k.account_id = ${accountId}::uuid
    AND k.operation_id = ${operationId}::text AND k.key = ${key}::text AND k.status IS NULL`
  const made = Prisma.sql`(EXISTS (SELECT 1 FROM generations g WHERE g.id = k.thing_id)
    OR EXISTS (SELECT 1 FROM conversations c WHERE c.id = k.thing_id))`
  return prisma.$executeRaw`
    WITH freed AS (DELETE FROM idempotency_keys k WHERE ${which} AND NOT ${made})
    UPDATE idempotency_keys k SET lease_until = ${now}::timestamptz WHERE ${which} AND ${made}`
}
