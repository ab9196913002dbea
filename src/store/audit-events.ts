import { present } from './rows.ts'
import type { Client } from './database/query.ts'

/** One act of identity or administration. It outlives whoever acted and what was acted on. */
export type AuditEvent = {
  id: string
  at: Date
  event: string
  actorKind?: string
  actorId?: string
  targetKind?: string
  targetId?: string
  /** Whose the target is, where it is a session or a key. */
  accountId?: string
  changed: string[]
  address?: string
  requestId: string
}

export type AuditFilter = {
  event?: string
  actorId?: string
  targetId?: string
  limit: number
  /** Newest first: after the event with this time and id. */
  after?: { at: Date; id: string }
}

/** What was done, by whom, to whom. Nothing is changed or removed but addresses. */
export const auditEventStore = ({ prisma }: Client) => ({
  async add(event: AuditEvent): Promise<void> {
    await prisma.auditEvent.createMany({ data: event })
  },

  async list({ event, actorId, targetId, limit, after }: AuditFilter): Promise<AuditEvent[]> {
    const rows = await prisma.auditEvent.findMany({
      where: {
        ...(event !== undefined && { event }),
        ...(actorId !== undefined && { actorId }),
        ...(targetId !== undefined && { targetId }),
        ...(after && {
          // Says nothing more than the next line, but an index can begin there.
          at: { lte: after.at },
          OR: [{ at: { lt: after.at } }, { at: after.at, id: { lt: after.id } }],
        }),
      },
      orderBy: [{ at: 'desc' }, { id: 'desc' }],
      take: limit,
    })
    return rows.map(present)
  },

  /**
   * Forgets from where the account acted, and from where others tried to be it: signed in as it, or
   * used a token of one of its sessions. Each set is found by an index, however long the record is.
   */
  async forgetAddresses(accountId: string): Promise<void> {
    await prisma.$executeRaw`
      UPDATE audit_events SET address = NULL WHERE id IN (
        SELECT id FROM audit_events WHERE actor_id = ${accountId}::uuid
        UNION
        SELECT id FROM audit_events WHERE actor_id IS NULL AND target_id = ${accountId}::uuid
        UNION
        SELECT tried.id FROM audit_events tried JOIN audit_events made USING (target_id)
        WHERE tried.actor_id IS NULL AND made.actor_id = ${accountId}::uuid
          AND made.event = 'session.created'
      )`
  },
})
