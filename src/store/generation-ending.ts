import {
  messageColumns,
  toMessage,
  type FinishReason,
  type Message,
  type MessageRow,
  type MessageStatus,
  type Usage,
} from './messages.ts'
import type { Client, Query } from './database/query.ts'

export type Ending = {
  generationId: string
  /** Whose usage it is, should the generation be gone with its conversation. */
  accountId: string
  status: 'completed' | 'cancelled' | 'failed'
  messageStatus: MessageStatus
  content: string
  /** Where each piece of it ended, in UTF-16 units. */
  pieceEnds: readonly number[]
  /** Why it failed. */
  problem?: string
  /** What is told of it besides. */
  problemDetail?: string
  model?: string
  usage?: Usage
  finishReason?: FinishReason
  omittedMessages?: number
  /** 1 if an answer with text is kept. */
  answered: 0 | 1
  now: Date
}

type Abandoned = { now: Date; all: boolean; except?: string[] }

/** What ends a generation: each writes its usage, exactly once. */
export const endingQueries = ({ query }: Client) => ({
  /**
   * Of several at once exactly one ends it.
   * @returns undefined when it is not running any more or its conversation is gone.
   */
  async finish(ending: Ending): Promise<{ message: Message } | undefined> {
    const [row] = await finishRunning(query, ending)
    return row && { message: toMessage(row) }
  },

  /**
   * Ends those that nobody is writing any more: their lease is over, or all when this is the
   * only process. Those of `except` are being written here. Their text stays as it was saved.
   * @returns how many.
   */
  async interruptAbandoned({ now, all, except = [] }: Abandoned): Promise<number> {
    const [row] = await query<{ interrupted: number }[]>`
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
    return row?.interrupted ?? 0
  },
})

// The usage is written whatever became of the generation; whoever really ended it wrote its
// own first, because both wait for the conversation before they write: hence the count.
function finishRunning(query: Query, ending: Ending): Promise<MessageRow[]> {
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
