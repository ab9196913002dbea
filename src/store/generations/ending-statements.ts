import type { PrismaClient } from '../../../generated/prisma/client.ts'
import type { Query } from '../database/query.ts'
import type { MessageRow } from '../messages/message.ts'
import { messageColumns } from '../messages/statements.ts'
import type { Abandoned, Ending } from './ending.ts'

/**
 * Writes the usage whatever became of the generation. The call that really ended it wrote its own
 * first, because both wait for the conversation before they write: hence the count.
 */
export function finish(query: Query, ending: Ending) {
  const { generationId, accountId, status, messageStatus, content, answered, now } = ending
  const { inputTokens = null, outputTokens = null, totalTokens = null } = ending.usage ?? {}
  const source = ending.usage?.source ?? null
  return query<MessageRow[]>`
    WITH conversation AS (
      SELECT c.id FROM generations g JOIN conversations c ON c.id = g.conversation_id
      WHERE g.id = ${generationId}::uuid FOR NO KEY UPDATE OF c
    ), generation AS (
      UPDATE generations g
      SET status = ${status}::generation_status, ended_at = ${now}::timestamptz,
        piece_ends = ${[...ending.pieceEnds]}::int[], problem = ${ending.problem ?? null}::text,
        problem_detail = ${ending.problemDetail ?? null}::text
      FROM conversation c
      WHERE g.id = ${generationId}::uuid AND g.conversation_id = c.id AND g.status = 'running'
      RETURNING g.message_id, g.conversation_id
    ), message AS (
      UPDATE messages m
      SET content = ${content}::text, status = ${messageStatus}::message_status,
        model = ${ending.model ?? null}::text, input_tokens = ${inputTokens}::int,
        output_tokens = ${outputTokens}::int, total_tokens = ${totalTokens}::int,
        usage_source = ${source}::usage_source,
        finish_reason = ${ending.finishReason ?? null}::text,
        omitted_messages = ${ending.omittedMessages ?? null}::int
      FROM generation g WHERE m.id = g.message_id
      RETURNING m.*
    ), touched AS (
      UPDATE conversations c SET updated_at = ${now}::timestamptz, version = c.version + 1
      FROM generation g WHERE c.id = g.conversation_id
    ), usage AS (
      INSERT INTO usage_records (generation_id, account_id, at, answered, input_tokens,
        output_tokens, total_tokens, source)
      SELECT ${generationId}::uuid, a.id, ${now}::timestamptz, ${answered}::int,
        ${inputTokens}::int, ${outputTokens}::int, ${totalTokens}::int, ${source}::usage_source
      FROM accounts a, (SELECT count(*) FROM generation) AS ended
      WHERE a.id = ${accountId}::uuid
      ON CONFLICT DO NOTHING
    )
    SELECT ${messageColumns} FROM message m`
}

export function interruptAbandoned(query: Query, { now, all, except = [] }: Abandoned) {
  return query<{ interrupted: number }[]>`
    WITH conversation AS (
      SELECT c.id FROM generations g JOIN conversations c ON c.id = g.conversation_id
      WHERE g.status = 'running' AND g.id <> ALL(${except}::uuid[])
        AND (${all}::boolean OR g.lease_until <= ${now}::timestamptz)
      FOR NO KEY UPDATE OF c SKIP LOCKED
    ), generation AS (
      UPDATE generations g SET status = 'interrupted', ended_at = ${now}::timestamptz
      FROM conversation c
      WHERE g.conversation_id = c.id AND g.status = 'running' AND g.id <> ALL(${except}::uuid[])
        AND (${all}::boolean OR g.lease_until <= ${now}::timestamptz)
      RETURNING g.id, g.owner_id, g.message_id, g.conversation_id
    ), message AS (
      UPDATE messages m SET status = 'interrupted' FROM generation g WHERE m.id = g.message_id
      RETURNING g.id AS generation_id, g.owner_id, m.content
    ), touched AS (
      UPDATE conversations c SET updated_at = ${now}::timestamptz, version = c.version + 1
      FROM generation g WHERE c.id = g.conversation_id
    ), usage AS (
      INSERT INTO usage_records (generation_id, account_id, at, answered)
      SELECT m.generation_id, m.owner_id, ${now}::timestamptz, (m.content <> '')::int
      FROM message m
      ON CONFLICT DO NOTHING
    )
    SELECT count(*)::int AS interrupted FROM message`
}

/** The conversation first, as every statement here: no two of them can then wait for each other. */
export function undo(prisma: PrismaClient, generationId: string) {
  return prisma.$executeRaw`
    WITH conversation AS (
      SELECT c.id, c.message_count FROM generations g
      JOIN conversations c ON c.id = g.conversation_id
      WHERE g.id = ${generationId}::uuid FOR UPDATE OF c
    ), undone AS (
      DELETE FROM generations g USING conversation c
      WHERE g.id = ${generationId}::uuid AND g.status = 'running' AND c.id = g.conversation_id
      RETURNING c.id, c.message_count, g.started_conversation AND c.message_count = 2 AS emptied
    ), unsaid AS (
      DELETE FROM messages m USING undone u
      WHERE m.conversation_id = u.id AND m.position > u.message_count - 2
    ), removed AS (
      DELETE FROM conversations c USING undone u WHERE c.id = u.id AND u.emptied
    )
    UPDATE conversations c SET message_count = c.message_count - 2, version = c.version + 1
    FROM undone u WHERE c.id = u.id AND NOT u.emptied`
}
