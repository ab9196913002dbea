import { Prisma } from '../../generated/prisma/client.ts'
import { AccountClosed } from './account-closed.ts'
import { conversationColumns, type Conversation } from './conversations.ts'
import { messageColumns, toMessage, type Message, type MessageRow } from './messages.ts'
import { driverFailure } from './database/unavailable.ts'
import type { Client, Query } from './database/query.ts'

export type NewGeneration = {
  generationId: string
  /** Of the call that asks for it. */
  requestId: string
  conversationId: string
  ownerId: string
  /** Given when the generation starts its conversation. */
  newConversation?: { title: string }
  userMessageId: string
  userText: string
  assistantMessageId: string
  /** Left out, the conversation's mode; of a new one, its owner's default mode. */
  mode?: string
  /** For an owner without a default mode. */
  fallbackMode: string
  now: Date
  leaseUntil: Date
}

export type Start =
  | {
      outcome: 'started'
      conversation: Conversation
      userMessage: Message
      assistantMessage: Message
    }
  | { outcome: 'busy'; activeGenerationId: string }
  /** A generation with this id was started before. */
  | { outcome: 'exists' }
  /** The owner has no such conversation. */
  | { outcome: 'missing' }

type StartRow = Conversation & { messages: MessageRow[] }

/** What begins a generation. */
export const startGeneration = ({ query }: Client) => ({
  /**
   * Adds the question, the empty answer and the running generation, all or nothing. Of two at
   * once in one conversation exactly one starts.
   * @throws AccountClosed
   */
  async start(generation: NewGeneration): Promise<Start> {
    for (;;) {
      const start = await tryStart(query, generation)
      if (start !== 'collided') return start
      const activeGenerationId = await findRunning(query, generation.conversationId)
      if (activeGenerationId === generation.generationId) return { outcome: 'exists' }
      if (activeGenerationId !== undefined) return { outcome: 'busy', activeGenerationId }
      // The one in the way ended in between: the way is free.
    }
  },
})

async function tryStart(query: Query, generation: NewGeneration): Promise<Start | 'collided'> {
  try {
    const [row] = await insert(query, generation)
    if (row) return toStart(row)
    // A new conversation is missing only where its owner is.
    if (generation.newConversation) throw new AccountClosed(generation.ownerId)
    return { outcome: 'missing' }
  } catch (error) {
    const { code, text } = driverFailure(error)
    if (code === '23505' && text.includes('generations_running_conversation_key')) return 'collided'
    if (code === '23505' && text.includes('generations_pkey')) return { outcome: 'exists' }
    throw error
  }
}

function insert(query: Query, generation: NewGeneration): Promise<StartRow[]> {
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

// The update locks the conversation and sees its newest row even after waiting for the lock,
// so message_count gives positions that nobody else has. The end is what moves a conversation
// to the top: were it moved here, an undone start would leave it there.
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

function toStart({ messages, ...conversation }: StartRow): Start {
  const [userMessage, assistantMessage] = messages.map(toMessage)
  if (!userMessage || !assistantMessage) throw new Error('A start wrote fewer than two messages')
  return { outcome: 'started', conversation, userMessage, assistantMessage }
}

async function findRunning(query: Query, conversationId: string): Promise<string | undefined> {
  const [row] = await query<{ id: string }[]>`
    SELECT id FROM generations
    WHERE conversation_id = ${conversationId}::uuid AND status = 'running'`
  return row?.id
}
