import type { PrismaClient } from '../../../generated/prisma/client.ts'
import type { Client } from '../database/query.ts'
import { type Message, toMessage } from '../messages/message.ts'
import { type Searched, toSearched } from '../searching.ts'
import type {
  Conversation,
  ConversationChanges,
  ConversationFilter,
  NewConversation,
  OwnedConversation,
} from './conversation.ts'
import * as statements from './statements.ts'

type Expected = { expectedVersions?: readonly number[] }

/** The same id again gives what was created the first time. */
async function create(
  { prisma, query }: Client,
  conversation: NewConversation,
): Promise<Conversation> {
  const [row] = await statements.create(query, conversation)
  if (row) return row
  const { id, ownerId } = conversation
  return prisma.conversation.findUniqueOrThrow({ where: { id, ownerId } })
}

async function find(
  { prisma }: Client,
  { id, ownerId }: OwnedConversation,
): Promise<Conversation | undefined> {
  return (await prisma.conversation.findUnique({ where: { id, ownerId } })) ?? undefined
}

type WithMessages = { conversation: Conversation; messages: Message[]; hasEarlier: boolean }

/** With its last `limit` messages, oldest first, or as many of them as a page holds text. */
async function findWithLatestMessages(
  { query }: Client,
  which: OwnedConversation & { limit: number },
): Promise<WithMessages | undefined> {
  const [row] = await statements.findWithLatestMessages(query, which)
  if (!row) return undefined
  const { messages, ...conversation } = row
  const hasEarlier = messages.length < conversation.messageCount
  return { conversation, messages: messages.map(toMessage), hasEarlier }
}

/** Lists the last active first. */
async function list({ query }: Client, filter: ConversationFilter): Promise<Conversation[]> {
  return statements.list(query, filter)
}

/**
 * Finds conversations whose title contains the text, in any case, the last active first, among the
 * next 5,000.
 */
async function search(
  { query }: Client,
  filter: ConversationFilter & { text: string },
): Promise<Searched<Conversation>> {
  return toSearched(await statements.search(query, filter))
}

/** Lists each conversation once, in an order that no change affects: for reading all of them. */
async function walk(
  { prisma }: Client,
  page: { ownerId: string; limit: number; afterId?: string },
): Promise<Conversation[]> {
  const { ownerId, limit, afterId } = page
  const where = { ownerId, ...(afterId !== undefined && { id: { gt: afterId } }) }
  return prisma.conversation.findMany({ where, orderBy: { id: 'asc' }, take: limit })
}

type Change = OwnedConversation & Expected & { changes: ConversationChanges; now: Date }

/** `stale` when the version is not the expected one, undefined when there is no such conversation. */
async function update(
  { prisma }: Client,
  { id, ownerId, changes, expectedVersions, now }: Change,
): Promise<Conversation | 'stale' | undefined> {
  const [row] = await prisma.conversation.updateManyAndReturn({
    where: atVersion({ id, ownerId }, expectedVersions),
    data: { ...changes, updatedAt: now, version: { increment: 1 } },
  })
  return row ?? absence(prisma, { id, ownerId }, expectedVersions)
}

/** Removes a conversation with all its messages; their usage stays. */
async function remove(
  { prisma }: Client,
  { expectedVersions, ...owned }: OwnedConversation & Expected,
): Promise<'removed' | 'stale' | undefined> {
  const where = atVersion(owned, expectedVersions)
  const { count } = await prisma.conversation.deleteMany({ where })
  return count > 0 ? 'removed' : absence(prisma, owned, expectedVersions)
}

/** Each conversation is found with its owner or not at all. */
export const conversationVerbs = {
  create,
  find,
  findWithLatestMessages,
  list,
  search,
  walk,
  update,
  remove,
}

function atVersion({ id, ownerId }: OwnedConversation, versions: readonly number[] | undefined) {
  return { id, ownerId, ...(versions && { version: { in: [...versions] } }) }
}

async function absence(
  prisma: PrismaClient,
  { id, ownerId }: OwnedConversation,
  expectedVersions: readonly number[] | undefined,
): Promise<'stale' | undefined> {
  if (expectedVersions === undefined) return undefined
  return (await prisma.conversation.count({ where: { id, ownerId } })) > 0 ? 'stale' : undefined
}
