import type { Client } from '../database/query.ts'
import * as statements from './statements.ts'
import type { Place } from './statements.ts'

/**
 * Takes a place unless the account has as many as it may; for a transaction. However many calls are
 * concurrent, no more get a place than there are: each waits for the lock on the account first.
 */
async function take({ prisma }: Client, place: Place & { most: number }): Promise<boolean> {
  await statements.lockAccount(prisma, place.accountId)
  return (await statements.insertBelow(prisma, place)) > 0
}

async function release({ prisma }: Client, id: string): Promise<void> {
  await prisma.openStream.deleteMany({ where: { id } })
}

/** Says that the instance with these streams is alive. */
async function renew(
  { prisma }: Client,
  { ids, until }: { ids: readonly string[]; until: Date },
): Promise<void> {
  await prisma.openStream.updateMany({ where: { id: { in: [...ids] } }, data: { until } })
}

/** Deletes the streams of instances that have died. */
async function deleteExpired({ prisma }: Client, now: Date): Promise<void> {
  await prisma.openStream.deleteMany({ where: { until: { lte: now } } })
}

/** The streams that callers have open, on all instances. */
export const openStreamVerbs = { take, release, renew, deleteExpired }
