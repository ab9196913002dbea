import { Prisma } from '../../../generated/prisma/client.ts'
import type { Conversation } from '../conversations/conversation.ts'
import { conversationColumns } from '../conversations/statements.ts'
import type { Query } from '../database/query.ts'
import type { MessageRow } from '../messages/message.ts'
import { messageColumns } from '../messages/statements.ts'
import type { NewGeneration } from './new-generation.ts'

export type StartRow = Conversation & { messages: MessageRow[] }

/** The conversation, both messages and the generation in one statement: all or nothing. */
export function start(query: Query, generation: NewGeneration) {
  const { generationId, userMessageId, userText, assistantMessageId, now } = generation
  const mode = generation.mode ?? null
  return query<StartRow[]>`
    WITH c AS (${claimConversation(generation)}), m AS (
      INSERT INTO messages (id, conversation_id, position, role, content, status, mode, created_at)
      SELECT said.id, c.id, c.message_count - 2 + said.turn, said.role, said.content, said.status,
        CASE said.role WHEN 'assistant' THEN coalesce(${mode}::text, c.mode) END, ${now}::timestamptz
      FROM c, (VALUES
        (1, ${userMessageId}::uuid, 'user'::message_role, ${userText}::text,
          'complete'::message_status),
        (2, ${assistantMessageId}::uuid, 'assistant', '', 'inProgress')
      ) AS said (turn, id, role, content, status)
      RETURNING *
    ), g AS (
      INSERT INTO generations (id, conversation_id, message_id, owner_id, status, request_id,
        started_conversation, lease_until, started_at)
      SELECT ${generationId}::uuid, c.id, ${assistantMessageId}::uuid, c.owner_id, 'running',
        ${generation.requestId}::text,
        ${generation.newConversation !== undefined}::boolean,
        ${generation.leaseUntil}::timestamptz, ${now}::timestamptz
      FROM c
    )
    SELECT ${conversationColumns}, (
      SELECT json_agg(said ORDER BY said.position) FROM (SELECT ${messageColumns} FROM m) said
    ) AS messages
    FROM c`
}

// The update locks the conversation and sees its newest row even after it has waited for the lock, so
// message_count gives positions that no other call has. Only the end moves a conversation to the top of
// the list: a start that is undone must not leave it there.
function claimConversation(generation: NewGeneration): Prisma.Sql {
  const { conversationId, ownerId, newConversation, now } = generation
  if (newConversation === undefined) {
    return Prisma.sql`
      UPDATE conversations SET message_count = message_count + 2, version = version + 1
      WHERE id = ${conversationId}::uuid AND owner_id = ${ownerId}::uuid RETURNING *`
  }
  const { mode = null, fallbackMode } = generation
  return Prisma.sql`
    INSERT INTO conversations (id, owner_id, title, mode, message_count, created_at, updated_at)
    SELECT ${conversationId}::uuid, a.id, ${newConversation.title}::text,
      coalesce(${mode}::text, a.default_mode, ${fallbackMode}::text), 2,
      ${now}::timestamptz, ${now}::timestamptz
    FROM accounts a WHERE a.id = ${ownerId}::uuid AND a.closed_at IS NULL
    RETURNING *`
}
