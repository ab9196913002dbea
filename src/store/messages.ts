import { Prisma } from '../../generated/prisma/client.ts'
import { present } from './rows.ts'
import type { Client } from './database/query.ts'
import type { Searched } from './searching.ts'
import { type TextRow, toTextPage, withinPageBytes } from './text-pages.ts'

export type MessageRole = 'user' | 'assistant'

export type MessageStatus = 'complete' | 'inProgress' | 'cancelled' | 'failed' | 'interrupted'

export type FinishReason = 'stop' | 'length' | 'contentFilter'

/** In tokens; what is not known is absent, never 0. */
export type Usage = {
  inputTokens?: number
  outputTokens?: number
  totalTokens?: number
  source: 'upstream' | 'estimated'
}

export type Message = {
  id: string
  conversationId: string
  /** 1, 2, 3 … in the conversation. */
  position: number
  role: MessageRole
  content: string
  status: MessageStatus
  mode?: string
  model?: string
  usage?: Usage
  finishReason?: FinishReason
  /** How many messages at the beginning of the conversation its model did not see; absent for none. */
  omittedMessages?: number
  createdAt: Date
}

export type HistoryEntry = Pick<Message, 'role' | 'content' | 'position'>

/** What was said. */
export const messageStore = ({ query }: Client) => ({
  /**
   * By position, as many as a page holds text; `after` is the position of the last one already seen.
   */
  async list(page: {
    conversationId: string
    limit: number
    after?: number
  }): Promise<Searched<Message>> {
    const asked = Prisma.sql`
      SELECT * FROM messages
      WHERE conversation_id = ${page.conversationId}::uuid AND position > ${page.after ?? 0}::int
      ORDER BY position LIMIT ${page.limit}::int`
    const rows = await query<TextRow<MessageRow>[]>`
      SELECT ${messageColumns}, m."isFollowed"
      FROM ${withinPageBytes(asked, { text: CONTENT, order: Prisma.sql`position` })} AS m
      ORDER BY m.position`
    return toTextPage(rows, toMessage)
  },

  /** Undefined when it is unknown or in a conversation of another. */
  async findOwned({ id, ownerId }: { id: string; ownerId: string }): Promise<Message | undefined> {
    const [row] = await query<MessageRow[]>`
      SELECT ${messageColumns} FROM messages m
      JOIN conversations c ON c.id = m.conversation_id
      WHERE m.id = ${id}::uuid AND c.owner_id = ${ownerId}::uuid`
    return row && toMessage(row)
  },

  /**
   * The last `limit` messages with text before a position, oldest first; fewer if they hold more text
   * than a page.
   */
  async history(before: {
    conversationId: string
    beforePosition: number
    limit: number
  }): Promise<HistoryEntry[]> {
    const asked = Prisma.sql`
      SELECT role, content, position FROM messages
      WHERE conversation_id = ${before.conversationId}::uuid
        AND position < ${before.beforePosition}::int AND content <> ''
      ORDER BY position DESC LIMIT ${before.limit}::int`
    return query<HistoryEntry[]>`
      SELECT m.role, m.content, m.position
      FROM ${withinPageBytes(asked, { text: CONTENT, order: NEWEST_FIRST })} AS m
      ORDER BY m.position`
  },
})

const CONTENT = Prisma.sql`content`
const NEWEST_FIRST = Prisma.sql`position DESC`

/**
 * For FROM: the last `limit` messages of a conversation, called `c`, or as many of them as a page
 * holds text.
 */
export function latestMessages(limit: number): Prisma.Sql {
  const asked = Prisma.sql`
    SELECT * FROM messages
    WHERE conversation_id = c.id AND position > c.message_count - ${limit}::int
    ORDER BY position DESC LIMIT ${limit}::int`
  return withinPageBytes(asked, { text: CONTENT, order: NEWEST_FIRST })
}

/** The columns of a {@link MessageRow}, of a table called `m`. */
export const messageColumns = Prisma.sql`
  m.id, m.conversation_id AS "conversationId", m.position, m.role, m.content, m.status, m.mode,
  m.model, m.input_tokens AS "inputTokens", m.output_tokens AS "outputTokens",
  m.total_tokens AS "totalTokens", m.usage_source AS "usageSource",
  m.finish_reason AS "finishReason", m.omitted_messages AS "omittedMessages",
  m.created_at AS "createdAt"`

/** As the database gives it; times are text inside JSON. */
export type MessageRow = UsageRow & {
  id: string
  conversationId: string
  position: number
  role: MessageRole
  content: string
  status: MessageStatus
  mode: string | null
  model: string | null
  finishReason: FinishReason | null
  omittedMessages: number | null
  createdAt: Date | string
}

export type UsageRow = {
  inputTokens: number | null
  outputTokens: number | null
  totalTokens: number | null
  usageSource: Usage['source'] | null
}

/** @see messageColumns */
export function toMessage(row: MessageRow): Message {
  const { inputTokens, outputTokens, totalTokens, usageSource, createdAt, ...rest } = row
  const usage = toUsage({ inputTokens, outputTokens, totalTokens, usageSource })
  return { ...present(rest), ...(usage && { usage }), createdAt: new Date(createdAt) }
}

/** Undefined when no source gave any. */
export function toUsage({ usageSource, ...tokens }: UsageRow): Usage | undefined {
  return usageSource === null ? undefined : { ...present(tokens), source: usageSource }
}
