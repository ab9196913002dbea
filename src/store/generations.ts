import { Prisma, type PrismaClient } from '../../generated/prisma/client.ts'
import { endingQueries } from './generation-ending.ts'
import { startGeneration } from './generation-start.ts'
import { undoGeneration } from './generation-undo.ts'
import { toUsage, type Usage, type UsageRow } from './messages.ts'
import { present } from './rows.ts'

export type GenerationStatus = 'running' | 'completed' | 'cancelled' | 'failed' | 'interrupted'

export type Generation = {
  id: string
  conversationId: string
  /** The assistant's message that it writes. */
  messageId: string
  ownerId: string
  status: GenerationStatus
  /** While running: without a renewal until then it counts as abandoned. */
  leaseUntil: Date
  startedAt: Date
  endedAt?: Date
  usage?: Usage
}

type Renewal = { leaseUntil: Date }

/**
 * Answers in the making; one per conversation. Whatever touches more than a generation locks
 * its conversation first, so that no two of them can wait for each other.
 */
export const generationStore = (prisma: PrismaClient) => ({
  ...startGeneration(prisma),
  ...undoGeneration(prisma),
  ...endingQueries(prisma),

  /** Keeps the text so far and renews the lease. False when it is no longer running. */
  async saveProgress(
    progress: { generationId: string; content: string } & Renewal,
  ): Promise<boolean> {
    const { generationId, content, leaseUntil } = progress
    const [row] = await prisma.$queryRaw<{ saved: number }[]>`
      WITH conversation AS (
        SELECT c.id FROM generations g JOIN conversations c ON c.id = g.conversation_id
        WHERE g.id = ${generationId}::uuid FOR KEY SHARE OF c
      ), generation AS (
        UPDATE generations g SET lease_until = ${leaseUntil}::timestamptz FROM conversation c
        WHERE g.id = ${generationId}::uuid AND g.conversation_id = c.id AND g.status = 'running'
        RETURNING g.message_id
      ), message AS (
        UPDATE messages m SET content = ${content}::text FROM generation g
        WHERE m.id = g.message_id
      )
      SELECT count(*)::int AS saved FROM generation`
    return row !== undefined && row.saved > 0
  },

  /** @returns those of `ids` that are still running: the others have no lease to renew. */
  async renewLeases({ ids, leaseUntil }: { ids: string[] } & Renewal): Promise<string[]> {
    const renewed = await prisma.$queryRaw<{ id: string }[]>`
      UPDATE generations SET lease_until = ${leaseUntil}::timestamptz
      WHERE id = ANY(${ids}::uuid[]) AND status = 'running' RETURNING id`
    return renewed.map(({ id }) => id)
  },

  async find({ id, ownerId }: { id: string; ownerId: string }): Promise<Generation | undefined> {
    const [row] = await prisma.$queryRaw<GenerationRow[]>`
      SELECT ${generationColumns}
      FROM generations g JOIN messages m ON m.id = g.message_id
      WHERE g.id = ${id}::uuid AND g.owner_id = ${ownerId}::uuid`
    return row && toGeneration(row)
  },

  async findRunningIn(conversationId: string): Promise<Generation | undefined> {
    const [row] = await prisma.$queryRaw<GenerationRow[]>`
      SELECT ${generationColumns}
      FROM generations g JOIN messages m ON m.id = g.message_id
      WHERE g.conversation_id = ${conversationId}::uuid AND g.status = 'running'`
    return row && toGeneration(row)
  },
})

const generationColumns = Prisma.sql`
  g.id, g.conversation_id AS "conversationId", g.message_id AS "messageId",
  g.owner_id AS "ownerId", g.status, g.lease_until AS "leaseUntil", g.started_at AS "startedAt",
  g.ended_at AS "endedAt", m.input_tokens AS "inputTokens", m.output_tokens AS "outputTokens",
  m.total_tokens AS "totalTokens", m.usage_source AS "usageSource"`

type GenerationRow = Omit<Generation, 'endedAt' | 'usage'> & { endedAt: Date | null } & UsageRow

function toGeneration(row: GenerationRow): Generation {
  const { inputTokens, outputTokens, totalTokens, usageSource, ...rest } = row
  const usage = toUsage({ inputTokens, outputTokens, totalTokens, usageSource })
  return { ...present(rest), ...(usage && { usage }) }
}
