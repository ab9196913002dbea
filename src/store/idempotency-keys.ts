import { Prisma } from '../../generated/prisma/client.ts'
import type { Client } from './database/query.ts'

/** A caller's name for a call of one operation. */
export type KeyName = { accountId: string; operationId: string; key: string }

/** What a call answered. */
export type KeptAnswer = { status: number; headers: Record<string, string>; body: string }

export type KeptCall = {
  /** SHA-256 of the canonical body. */
  fingerprint: Uint8Array
  /** The id of what the call makes. */
  thingId: string
  /** Until then its process is taken to be alive; absent once it is answered. */
  leaseUntil?: Date
  answer?: KeptAnswer
}

type Claim = KeyName & { fingerprint: Uint8Array; thingId: string; now: Date; leaseUntil: Date }

/** The calls that their callers have named. */
export const idempotencyKeyStore = ({ prisma }: Client) => ({
  /** Of any number of claims at once exactly one gets the key. */
  async claim(claim: Claim): Promise<'claimed' | 'taken'> {
    const { now, fingerprint, ...rest } = claim
    const data = { ...rest, fingerprint: Uint8Array.from(fingerprint), createdAt: now }
    const { count } = await prisma.idempotencyKey.createMany({ data, skipDuplicates: true })
    return count > 0 ? 'claimed' : 'taken'
  },

  async find(name: KeyName): Promise<KeptCall | undefined> {
    const row = await prisma.idempotencyKey.findUnique({
      where: { accountId_operationId_key: name },
    })
    if (!row) return undefined
    const { fingerprint, thingId, leaseUntil, status, headers, body } = row
    return {
      fingerprint,
      thingId,
      ...(leaseUntil && { leaseUntil }),
      ...(status !== null && {
        answer: { status, headers: headers as Record<string, string>, body: body ?? '' },
      }),
    }
  },

  /** Takes a call over whose process is gone. False when another was faster. */
  async takeOver(name: KeyName & { now: Date; leaseUntil: Date }): Promise<boolean> {
    const { now, leaseUntil, ...key } = name
    const { count } = await prisma.idempotencyKey.updateMany({
      where: { ...key, status: null, leaseUntil: { lte: now } },
      data: { leaseUntil },
    })
    return count > 0
  },

  async renew(things: { thingIds: readonly string[]; leaseUntil: Date }): Promise<void> {
    const { thingIds, leaseUntil } = things
    await prisma.idempotencyKey.updateMany({
      where: { thingId: { in: [...thingIds] }, status: null },
      data: { leaseUntil },
    })
  },

  async keep({ answer, ...name }: KeyName & { answer: KeptAnswer }): Promise<void> {
    await prisma.idempotencyKey.updateMany({
      where: name,
      data: { ...answer, leaseUntil: null },
    })
  },

  /**
   * Frees the key of a call that failed. If what it was to make is there all the same, made by
   * another try of it or before the failure, the key stays, for the next try to take over: a free
   * key would make it twice.
   */
  async release({ now, ...name }: KeyName & { now: Date }): Promise<void> {
    const { accountId, operationId, key } = name
    const which = Prisma.sql`k.account_id = ${accountId}::uuid
      AND k.operation_id = ${operationId}::text AND k.key = ${key}::text AND k.status IS NULL`
    const made = Prisma.sql`(EXISTS (SELECT 1 FROM generations g WHERE g.id = k.thing_id)
      OR EXISTS (SELECT 1 FROM conversations c WHERE c.id = k.thing_id))`
    await prisma.$executeRaw`
      WITH freed AS (DELETE FROM idempotency_keys k WHERE ${which} AND NOT ${made})
      UPDATE idempotency_keys k SET lease_until = ${now}::timestamptz WHERE ${which} AND ${made}`
  },

  /** For an only process at its start: whatever was running is not. */
  async abandonAll(now: Date): Promise<void> {
    await prisma.idempotencyKey.updateMany({ where: { status: null }, data: { leaseUntil: now } })
  },

  async deleteOlderThan(createdBefore: Date): Promise<number> {
    const { count } = await prisma.idempotencyKey.deleteMany({
      where: { createdAt: { lt: createdBefore } },
    })
    return count
  },
})
