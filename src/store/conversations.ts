import { Prisma, type PrismaClient } from '../../generated/prisma/client.ts'
import {
  latestMessages,
  messageColumns,
  toMessage,
  type Message,
  type MessageRow,
} from './messages.ts'
import type { PagePosition } from './rows.ts'
import type { Client } from './database/query.ts'

export type Conversation = {
  id: string
  ownerId: string
  title: string
  mode: string
  archived: boolean
  pinned: boolean
  messageCount: number
  /** One more with every change, new messages included. */
  version: number
  createdAt: Date
  updatedAt: Date
}

export type ConversationChanges = Partial<
  Pick<Conversation, 'title' | 'mode' | 'archived' | 'pinned'>
>

type Owned = { id: string; ownerId: string }

export type ConversationFilter = {
  ownerId: string
  archived?: boolean
  limit: number
  after?: PagePosition
}

/** What belongs together. Each is found with its owner or not at all. */
export const conversationStore = ({ prisma, query }: Client) => ({
  /** The same id again gives what was made the first time. */
  async create(
    conversation: Owned & { title: string; mode: string; now: Date },
  ): Promise<Conversation> {
    const { id, ownerId, title, mode, now } = conversation
    const [row] = await query<Conversation[]>`
      INSERT INTO conversations AS c (id, owner_id, title, mode, created_at, updated_at)
      VALUES (${id}::uuid, ${ownerId}::uuid, ${title}::text, ${mode}::text,
        ${now}::timestamptz, ${now}::timestamptz)
      ON CONFLICT (id) DO NOTHING RETURNING ${conversationColumns}`
    if (row) return row
    return prisma.conversation.findUniqueOrThrow({ where: { id, ownerId } })
  },

  async find({ id, ownerId }: Owned): Promise<Conversation | undefined> {
    return (await prisma.conversation.findUnique({ where: { id, ownerId } })) ?? undefined
  },

  /**
   * With its last `limit` messages, oldest first, or as many of them as a page holds text. Their
   * positions are known: sorting all of a long conversation to find its end would take longer with
   * every message.
   */
  async findWithLatestMessages({
    id,
    ownerId,
    limit,
  }: Owned & { limit: number }): Promise<
    { conversation: Conversation; messages: Message[]; hasEarlier: boolean } | undefined
  > {
    const [row] = await query<(Conversation & { messages: MessageRow[] })[]>`
      SELECT ${conversationColumns}, (
        SELECT coalesce(json_agg(latest ORDER BY latest.position), '[]') FROM (
          SELECT ${messageColumns} FROM ${latestMessages(limit)} AS m
        ) latest
      ) AS messages
      FROM conversations c WHERE c.id = ${id}::uuid AND c.owner_id = ${ownerId}::uuid`
    if (!row) return undefined
    const { messages, ...conversation } = row
    const hasEarlier = messages.length < conversation.messageCount
    return { conversation, messages: messages.map(toMessage), hasEarlier }
  },

  /** The last active first. */
  async list({ limit, ...filter }: ConversationFilter): Promise<Conversation[]> {
    return query<Conversation[]>`
      SELECT ${conversationColumns} FROM conversations c
      ${listedConversations(filter)} LIMIT ${limit}::int`
  },

  /** Each once, in an order that no change moves it in: for reading all of them. */
  async walk(page: { ownerId: string; limit: number; afterId?: string }): Promise<Conversation[]> {
    const { ownerId, limit, afterId } = page
    const where = { ownerId, ...(afterId !== undefined && { id: { gt: afterId } }) }
    return prisma.conversation.findMany({ where, orderBy: { id: 'asc' }, take: limit })
  },

  /** `stale` when the version is not the expected one, undefined when there is none. */
  async update(
    change: Owned & {
      changes: ConversationChanges
      expectedVersions?: readonly number[]
      now: Date
    },
  ): Promise<Conversation | 'stale' | undefined> {
    const { id, ownerId, changes, expectedVersions, now } = change
    const [row] = await prisma.conversation.updateManyAndReturn({
      where: atVersion({ id, ownerId }, expectedVersions),
      data: { ...changes, updatedAt: now, version: { increment: 1 } },
    })
    return row ?? absence(prisma, { id, ownerId }, expectedVersions)
  },

  /** With all its messages; their usage stays. */
  async remove({
    expectedVersions,
    ...owned
  }: Owned & { expectedVersions?: readonly number[] }): Promise<'removed' | 'stale' | undefined> {
    const where = atVersion(owned, expectedVersions)
    const { count } = await prisma.conversation.deleteMany({ where })
    return count > 0 ? 'removed' : absence(prisma, owned, expectedVersions)
  },
})

/** The columns of a {@link Conversation}, of a table called `c`. */
export const conversationColumns = Prisma.sql`
  c.id, c.owner_id AS "ownerId", c.title, c.mode, c.archived, c.pinned,
  c.message_count AS "messageCount", c.version, c.created_at AS "createdAt",
  c.updated_at AS "updatedAt"`

/** The condition and the order of a list of a table called `c`. */
export function listedConversations(filter: Omit<ConversationFilter, 'limit'>): Prisma.Sql {
  const { ownerId, archived, after } = filter
  return Prisma.sql`
    WHERE c.owner_id = ${ownerId}::uuid
    ${archived === undefined ? Prisma.empty : Prisma.sql`AND c.archived = ${archived}::boolean`}
    ${after === undefined ? Prisma.empty : follows(after)}
    ORDER BY c.updated_at DESC, c.id DESC`
}

function atVersion({ id, ownerId }: Owned, versions: readonly number[] | undefined) {
  return { id, ownerId, ...(versions && { version: { in: [...versions] } }) }
}

async function absence(
  prisma: PrismaClient,
  { id, ownerId }: Owned,
  expectedVersions: readonly number[] | undefined,
): Promise<'stale' | undefined> {
  if (expectedVersions === undefined) return undefined
  return (await prisma.conversation.count({ where: { id, ownerId } })) > 0 ? 'stale' : undefined
}

function follows({ updatedAt, id }: PagePosition): Prisma.Sql {
  return Prisma.sql`AND (c.updated_at, c.id) < (${updatedAt}::timestamptz, ${id}::uuid)`
}
