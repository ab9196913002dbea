import type { PrismaClient } from '../../../generated/prisma/client.ts'

/** Finds each of the three sets by an index, however long the record is. */
export function forgetAddresses(prisma: PrismaClient, accountId: string) {
  return prisma.$executeRaw`
    UPDATE audit_events SET address = NULL WHERE id IN (
      SELECT id FROM audit_events WHERE actor_id = ${accountId}::uuid
      UNION
      SELECT id FROM audit_events WHERE actor_id IS NULL AND target_id = ${accountId}::uuid
      UNION
      SELECT tried.id FROM audit_events tried JOIN audit_events made USING (target_id)
      WHERE tried.actor_id IS NULL AND made.actor_id = ${accountId}::uuid
        AND made.event = 'session.created'
    )`
}
