import { Prisma } from '../../generated/prisma/client.ts'
import { endingQueries } from './generation-ending.ts'
import { startGeneration } from './generation-start.ts'
import { undoGeneration } from './generation-undo.ts'
import {
  messageColumns,
  type Message,
  type MessageRow,
  toMessage,
  toUsage,
  type Usage,
  type UsageRow,
} from './messages.ts'
import { present } from './rows.ts'
import type { Client } from './database/query.ts'

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

/** What became of a lease: `gone` when the generation is not running any more. */
export type Renewed = 'renewed' | 'to-be-cancelled' | 'gone'

export type KeptGeneration = Generation & {
  requestId: string
  userMessage: Message
  message: Message
  /** Where each piece of the text ended, in UTF-16 units. */
  pieceEnds: number[]
  problem?: string
  problemDetail?: string
}

/**
 * Answers in the making; one per conversation. Whatever touches more than a generation locks
 * its conversation first, so that no two of them can wait for each other.
 */
export const generationStore = (client: Client) => ({
  ...startGeneration(client),
  ...undoGeneration(client),
  ...endingQueries(client),
  ...generationQueries(client),
})

const generationQueries = ({ prisma, query }: Client) => ({
  /** Keeps the text so far and renews the lease. */
  async saveProgress(
    progress: { generationId: string; content: string; pieceEnds: readonly number[] } & Renewal,
  ): Promise<Renewed> {
    const { generationId, content, pieceEnds, leaseUntil } = progress
    const [row] = await query<{ cancel: boolean }[]>`
      WITH conversation AS (
        SELECT c.id FROM generations g JOIN conversations c ON c.id = g.conversation_id
        WHERE g.id = ${generationId}::uuid FOR KEY SHARE OF c
      ), generation AS (
        UPDATE generations g
        SET lease_until = ${leaseUntil}::timestamptz, piece_ends = ${[...pieceEnds]}::int[]
        FROM conversation c
        WHERE g.id = ${generationId}::uuid AND g.conversation_id = c.id AND g.status = 'running'
        RETURNING g.message_id, g.cancel_requested_at
      ), message AS (
        UPDATE messages m SET content = ${content}::text FROM generation g
        WHERE m.id = g.message_id
      )
      SELECT g.cancel_requested_at IS NOT NULL AS cancel FROM generation g`
    if (!row) return 'gone'
    return row.cancel ? 'to-be-cancelled' : 'renewed'
  },

  /**
   * What is not among the answers has ended: it has no lease to renew. Several are locked, hence all
   * their conversations first and in order: whoever removes them may be on the way.
   */
  async renewLeases({
    ids,
    leaseUntil,
  }: { ids: string[] } & Renewal): Promise<Map<string, Renewed>> {
    const rows = await query<{ id: string; cancel: boolean }[]>`
      WITH conversation AS (
        SELECT c.id FROM conversations c WHERE c.id IN (
          SELECT g.conversation_id FROM generations g
          WHERE g.id = ANY(${ids}::uuid[]) AND g.status = 'running'
        ) ORDER BY c.id FOR KEY SHARE
      )
      UPDATE generations g SET lease_until = ${leaseUntil}::timestamptz
      FROM conversation c
      WHERE g.id = ANY(${ids}::uuid[]) AND g.conversation_id = c.id AND g.status = 'running'
      RETURNING g.id, g.cancel_requested_at IS NOT NULL AS cancel`
    return new Map(rows.map(({ id, cancel }) => [id, cancel ? 'to-be-cancelled' : 'renewed']))
  },

  /** Asks whoever makes it to stop. False when it is not running. */
  async requestCancel(which: { id: string; ownerId: string; now: Date }): Promise<boolean> {
    const { id, ownerId, now } = which
    const { count } = await prisma.generation.updateMany({
      where: { id, ownerId, status: 'running' },
      data: { cancelRequestedAt: now },
    })
    return count > 0
  },

  /** With both its messages: all that its stream is made of. */
  async findKept({
    id,
    ownerId,
  }: {
    id: string
    ownerId: string
  }): Promise<KeptGeneration | undefined> {
    const [row] = await query<KeptRow[]>`
      SELECT ${generationColumns}, g.request_id AS "requestId", g.piece_ends AS "pieceEnds",
        g.problem, g.problem_detail AS "problemDetail", (
          SELECT json_agg(said ORDER BY said.position) FROM (
            SELECT ${messageColumns} FROM messages m
            WHERE m.conversation_id = g.conversation_id
              AND m.position BETWEEN answer.position - 1 AND answer.position
          ) said
        ) AS messages
      FROM generations g
      JOIN messages m ON m.id = g.message_id
      JOIN messages answer ON answer.id = g.message_id
      WHERE g.id = ${id}::uuid AND g.owner_id = ${ownerId}::uuid`
    return row && toKept(row)
  },

  async find({ id, ownerId }: { id: string; ownerId: string }): Promise<Generation | undefined> {
    const [row] = await query<GenerationRow[]>`
      SELECT ${generationColumns}
      FROM generations g JOIN messages m ON m.id = g.message_id
      WHERE g.id = ${id}::uuid AND g.owner_id = ${ownerId}::uuid`
    return row && toGeneration(row)
  },

  async findRunningIn(conversationId: string): Promise<Generation | undefined> {
    const [row] = await query<GenerationRow[]>`
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

type KeptRow = GenerationRow & {
  requestId: string
  pieceEnds: number[]
  problem: string | null
  problemDetail: string | null
  messages: MessageRow[]
}

function toKept(row: KeptRow): KeptGeneration {
  const { requestId, pieceEnds, problem, problemDetail, messages, ...generation } = row
  const [userMessage, message] = messages.map(toMessage)
  if (!userMessage || !message) throw new Error('A generation has fewer than two messages')
  return {
    ...toGeneration(generation),
    requestId,
    pieceEnds,
    userMessage,
    message,
    ...present({ problem, problemDetail }),
  }
}
