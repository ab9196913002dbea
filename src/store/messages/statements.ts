import { Prisma } from '../../../generated/prisma/client.ts'
import type { Query } from '../database/query.ts'
import { type TextRow, withinPageBytes } from '../text-pages.ts'
import type { HistoryEntry, MessageRow } from './message.ts'

export const messageColumns = Prisma.sql`
  m.id, m.conversation_id AS "conversationId", m.position, m.role, m.content, m.status, m.mode,
  m.model, m.input_tokens AS "inputTokens", m.output_tokens AS "outputTokens",
  m.total_tokens AS "totalTokens", m.usage_source AS "usageSource",
  m.finish_reason AS "finishReason", m.omitted_messages AS "omittedMessages",
  m.created_at AS "createdAt"`

const CONTENT = Prisma.sql`content`
const NEWEST_FIRST = Prisma.sql`position DESC`

export type MessagePage = {
  conversationId: string
  limit: number
  /** The position of the last message already seen. */
  after?: number
}

/** The window ends the page where it holds enough text. */
export function list(query: Query, { conversationId, limit, after = 0 }: MessagePage) {
  const asked = Prisma.sql`
    SELECT * FROM messages
    WHERE conversation_id = ${conversationId}::uuid AND position > ${after}::int
    ORDER BY position LIMIT ${limit}::int`
  return query<TextRow<MessageRow>[]>`
    SELECT ${messageColumns}, m."isFollowed"
    FROM ${withinPageBytes(asked, { text: CONTENT, order: Prisma.sql`position` })} AS m
    ORDER BY m.position`
}

export type Before = { conversationId: string; beforePosition: number; limit: number }

/** The same, from the end. */
export function history(query: Query, { conversationId, beforePosition, limit }: Before) {
  const asked = Prisma.sql`
    SELECT role, content, position FROM messages
    WHERE conversation_id = ${conversationId}::uuid
      AND position < ${beforePosition}::int AND content <> ''
    ORDER BY position DESC LIMIT ${limit}::int`
  return query<HistoryEntry[]>`
    SELECT m.role, m.content, m.position
    FROM ${withinPageBytes(asked, { text: CONTENT, order: NEWEST_FIRST })} AS m
    ORDER BY m.position`
}

/**
 * For FROM: the last `limit` messages of a conversation, called `c`, or as many of them as a page
 * holds text. The positions follow from the count: sorting all of a long conversation to find its end
 * takes longer with every message.
 */
export function latestMessages(limit: number): Prisma.Sql {
  const asked = Prisma.sql`
    SELECT * FROM messages
    WHERE conversation_id = c.id AND position > c.message_count - ${limit}::int
    ORDER BY position DESC LIMIT ${limit}::int`
  return withinPageBytes(asked, { text: CONTENT, order: NEWEST_FIRST })
}
