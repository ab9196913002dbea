import { Prisma } from '../../../generated/prisma/client.ts'
import type { Query } from '../database/query.ts'
import { messageColumns } from '../messages/statements.ts'
import type { GenerationRow, KeptRow, Progress, Renewal } from './generation.ts'

/** Of a generation `g` and its answer `m`. */
export const generationColumns = Prisma.sql`
  g.id, g.conversation_id AS "conversationId", g.message_id AS "messageId",
  g.owner_id AS "ownerId", g.status, g.lease_until AS "leaseUntil", g.started_at AS "startedAt",
  g.ended_at AS "endedAt", m.input_tokens AS "inputTokens", m.output_tokens AS "outputTokens",
  m.total_tokens AS "totalTokens", m.usage_source AS "usageSource"`

export const keptColumns = Prisma.sql`
  ${generationColumns}, g.request_id AS "requestId", g.piece_ends AS "pieceEnds", g.problem,
  g.problem_detail AS "problemDetail"`

/** Writes to the generation and to its answer in one round trip. */
export function saveProgress(query: Query, progress: Progress) {
  const { generationId, content, pieceEnds, leaseUntil } = progress
  return query<{ cancel: boolean }[]>`
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
}

/**
 * Locks several generations, hence all their conversations first and in order: a call that removes
 * them may be in progress.
 */
export function renewLeases(query: Query, { ids, leaseUntil }: { ids: string[] } & Renewal) {
  return query<{ id: string; cancel: boolean }[]>`
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
}

/** A generation and both its messages in one round trip, which a model call makes three of. */
export function findKept(query: Query, { id, ownerId }: { id: string; ownerId: string }) {
  return query<KeptRow[]>`
    SELECT ${keptColumns}, (
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
}

/** A generation and the usage of its answer in one round trip, which a model call makes two of. */
export function find(query: Query, { id, ownerId }: { id: string; ownerId: string }) {
  return query<GenerationRow[]>`
    SELECT ${generationColumns}
    FROM generations g JOIN messages m ON m.id = g.message_id
    WHERE g.id = ${id}::uuid AND g.owner_id = ${ownerId}::uuid`
}
