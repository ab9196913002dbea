import type { Client } from '../database/query.ts'
import type { KeptReply, KeptCall, KeyName } from './kept-call.ts'
import * as statements from './statements.ts'

type Claim = KeyName & { fingerprint: Uint8Array; resourceId: string; now: Date; leaseUntil: Date }

/** Of any number of concurrent claims, exactly one gets the key. */
async function claim({ prisma }: Client, claim: Claim): Promise<'claimed' | 'taken'> {
  const { now, fingerprint, ...rest } = claim
  const data = { ...rest, fingerprint: Uint8Array.from(fingerprint), createdAt: now }
  const { count } = await prisma.idempotencyKey.createMany({ data, skipDuplicates: true })
  return count > 0 ? 'claimed' : 'taken'
}

async function find({ prisma }: Client, name: KeyName): Promise<KeptCall | undefined> {
  const row = await prisma.idempotencyKey.findUnique({
    where: { accountId_operationId_key: name },
  })
  if (!row) return undefined
  const { fingerprint, resourceId, leaseUntil, status, headers, body } = row
  return {
    fingerprint,
    resourceId,
    ...(leaseUntil && { leaseUntil }),
    ...(status !== null && {
      reply: { status, headers: headers as Record<string, string>, body: body ?? '' },
    }),
  }
}

/** Takes over a call whose process is gone. False when another process was faster. */
async function takeOver(
  { prisma }: Client,
  { now, leaseUntil, ...key }: KeyName & { now: Date; leaseUntil: Date },
): Promise<boolean> {
  const { count } = await prisma.idempotencyKey.updateMany({
    where: { ...key, status: null, leaseUntil: { lte: now } },
    data: { leaseUntil },
  })
  return count > 0
}

async function renew(
  { prisma }: Client,
  { resourceIds, leaseUntil }: { resourceIds: readonly string[]; leaseUntil: Date },
): Promise<void> {
  await prisma.idempotencyKey.updateMany({
    where: { resourceId: { in: [...resourceIds] }, status: null },
    data: { leaseUntil },
  })
}

async function keep(
  { prisma }: Client,
  { reply, ...name }: KeyName & { reply: KeptReply },
): Promise<void> {
  await prisma.idempotencyKey.updateMany({
    where: name,
    data: { ...reply, leaseUntil: null },
  })
}

/**
 * Frees the key of a call that failed. If what the call was to create exists all the same, created by
 * another attempt or before the failure, the key stays for the next attempt to take over: with a free
 * key that attempt would create it twice.
 */
async function release({ prisma }: Client, name: KeyName & { now: Date }): Promise<void> {
  await statements.release(prisma, name)
}

/** For the only process, at its start: no call is in progress. */
async function abandonAll({ prisma }: Client, now: Date): Promise<void> {
  await prisma.idempotencyKey.updateMany({ where: { status: null }, data: { leaseUntil: now } })
}

async function deleteOlderThan({ prisma }: Client, createdBefore: Date): Promise<number> {
  const { count } = await prisma.idempotencyKey.deleteMany({
    where: { createdAt: { lt: createdBefore } },
  })
  return count
}

/** The calls that their callers have given an idempotency key. */
export const idempotencyKeyVerbs = {
  claim,
  find,
  takeOver,
  renew,
  keep,
  release,
  abandonAll,
  deleteOlderThan,
}
