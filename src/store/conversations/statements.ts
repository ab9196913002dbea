import { Prisma } from '../../../generated/prisma/client.ts'
import { composed, inAnyCase, matches } from '../database/folding.ts'
import type { Query } from '../database/query.ts'
import type { MessageRow } from '../messages/message.ts'
import { latestMessages, messageColumns } from '../messages/statements.ts'
import type { PagePosition } from '../rows.ts'
import * as searching from '../searching.ts'
import type {
  Conversation,
  ConversationFilter,
  NewConversation,
  OwnedConversation,
} from './conversation.ts'

export const conversationColumns = Prisma.sql`
  c.id, c.owner_id AS "ownerId", c.title, c.mode, c.archived, c.pinned,
  c.message_count AS "messageCount", c.version, c.created_at AS "createdAt",
  c.updated_at AS "updatedAt"`

const order = Prisma.sql`c.updated_at DESC, c.id DESC`

/** Gives no row when the id exists: the model's way to say so takes three times the CPU time. */
export function create(query: Query, { id, ownerId, title, mode, now }: NewConversation) {
  return query<Conversation[]>`
    INSERT INTO conversations AS c (id, owner_id, title, mode, created_at, updated_at)
    VALUES (${id}::uuid, ${ownerId}::uuid, ${title}::text, ${mode}::text,
      ${now}::timestamptz, ${now}::timestamptz)
    ON CONFLICT (id) DO NOTHING RETURNING ${conversationColumns}`
}

/** A conversation and its messages in one round trip, which a model call makes two of. */
export function findWithLatestMessages(
  query: Query,
  { id, ownerId, limit }: OwnedConversation & { limit: number },
) {
  return query<(Conversation & { messages: MessageRow[] })[]>`
    SELECT ${conversationColumns}, (
      SELECT coalesce(json_agg(latest ORDER BY latest.position), '[]') FROM (
        SELECT ${messageColumns} FROM ${latestMessages(limit)} AS m
      ) latest
    ) AS messages
    FROM conversations c WHERE c.id = ${id}::uuid AND c.owner_id = ${ownerId}::uuid`
}

/**
 * The model call takes 326 µs of CPU time where this takes 160, of the 690 µs that a call of
 * listConversations takes (PostgreSQL, 21 rows); on the embedded database 1,410 and 1,090 of 1,740.
 */
export function list(query: Query, { limit, ...filter }: ConversationFilter) {
  return query<Conversation[]>`
    SELECT ${conversationColumns} FROM conversations c
    WHERE ${conditionsOf(filter)} ORDER BY ${order} LIMIT ${limit}::int`
}

export function search(
  query: Query,
  { text, limit, ...filter }: ConversationFilter & { text: string },
) {
  const isFound = matches(composed(Prisma.sql`c.title`), inAnyCase(text))
  return searching.search<Conversation>(
    query,
    {
      columns: conversationColumns,
      table: Prisma.sql`conversations`,
      alias: Prisma.sql`c`,
      conditions: conditionsOf(filter),
      order,
    },
    { isFound, limit },
  )
}

function conditionsOf({ ownerId, archived, after }: Omit<ConversationFilter, 'limit'>): Prisma.Sql {
  return Prisma.sql`c.owner_id = ${ownerId}::uuid
    ${archived === undefined ? Prisma.empty : Prisma.sql`AND c.archived = ${archived}::boolean`}
    ${after === undefined ? Prisma.empty : follows(after)}`
}

function follows({ updatedAt, id }: PagePosition): Prisma.Sql {
  return Prisma.sql`AND (c.updated_at, c.id) < (${updatedAt}::timestamptz, ${id}::uuid)`
}
