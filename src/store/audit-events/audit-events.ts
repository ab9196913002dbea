import type { Client } from '../database/query.ts'
import { present } from '../rows.ts'
import * as statements from './statements.ts'

/** One act of identity or administration. It outlives the account that acted and its target. */
export type AuditEvent = {
  id: string
  at: Date
  event: string
  actorKind?: string
  actorId?: string
  targetKind?: string
  targetId?: string
  /** The owner of the target, where that is a session or a key. */
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

async function add({ prisma }: Client, event: AuditEvent): Promise<void> {
  await prisma.auditEvent.createMany({ data: event })
}

async function list({ prisma }: Client, filter: AuditFilter): Promise<AuditEvent[]> {
  const { event, actorId, targetId, limit, after } = filter
  const rows = await prisma.auditEvent.findMany({
    where: {
      ...(event !== undefined && { event }),
      ...(actorId !== undefined && { actorId }),
      ...(targetId !== undefined && { targetId }),
      ...(after && {
        // Implied by the next line, but an index scan can start there.
        at: { lte: after.at },
        OR: [{ at: { lt: after.at } }, { at: after.at, id: { lt: after.id } }],
      }),
    },
    orderBy: [{ at: 'desc' }, { id: 'desc' }],
    take: limit,
  })
  return rows.map(present)
}

/**
 * Deletes the addresses that the account acted from, and those of failed attempts to act as it: to
 * sign in as it, or to use a token of one of its sessions.
 */
async function forgetAddresses({ prisma }: Client, accountId: string): Promise<void> {
  await statements.forgetAddresses(prisma, accountId)
}

/** What was done, by whom and to whom. Only addresses are ever removed. */
export const auditEventVerbs = { add, list, forgetAddresses }
