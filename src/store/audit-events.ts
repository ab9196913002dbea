import type { PrismaClient } from '../../generated/prisma/client.ts'
import { present } from './rows.ts'

/** One act of identity or administration. It outlives whoever acted and what was acted on. */
export type AuditEvent = {
  id: string
  at: Date
  event: string
  actorKind?: string
  actorId?: string
  targetKind?: string
  targetId?: string
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
export const auditEventStore = (prisma: PrismaClient) => ({
  async add(event: AuditEvent): Promise<void> {
    await prisma.auditEvent.createMany({ data: event })
  },

  async list({ event, actorId, targetId, limit, after }: AuditFilter): Promise<AuditEvent[]> {
    const rows = await prisma.auditEvent.findMany({
      where: {
        ...(event !== undefined && { event }),
        ...(actorId !== undefined && { actorId }),
        ...(targetId !== undefined && { targetId }),
        ...(after && { OR: [{ at: { lt: after.at } }, { at: after.at, id: { lt: after.id } }] }),
      },
      orderBy: [{ at: 'desc' }, { id: 'desc' }],
      take: limit,
    })
    return rows.map(present)
  },

  /** Forgets from where the account acted, and from where others tried to be it. */
  async forgetAddresses(accountId: string): Promise<void> {
    await prisma.auditEvent.updateMany({
      where: { OR: [{ actorId: accountId }, { actorId: null, targetId: accountId }] },
      data: { address: null },
    })
  },
})
