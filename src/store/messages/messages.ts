import type { Client } from '../database/query.ts'
import type { Searched } from '../searching.ts'
import { toTextPage } from '../text-pages.ts'
import { type HistoryEntry, type Message, type MessageRow, toMessage } from './message.ts'
import * as statements from './statements.ts'
import type { Before, MessagePage } from './statements.ts'

/** Lists messages by position, as many as a page holds text. */
async function list({ query }: Client, page: MessagePage): Promise<Searched<Message>> {
  return toTextPage(await statements.list(query, page), toMessage)
}

/** Undefined when the message is unknown or in a conversation of another owner. */
async function findOwned(
  { prisma }: Client,
  { id, ownerId }: { id: string; ownerId: string },
): Promise<Message | undefined> {
  const row = await prisma.message.findUnique({ where: { id, conversation: { ownerId } } })
  return row ? toMessage(row as MessageRow) : undefined
}

/**
 * The last `limit` messages with text before a position, oldest first; fewer if they hold more text
 * than a page.
 */
async function history({ query }: Client, before: Before): Promise<HistoryEntry[]> {
  return statements.history(query, before)
}

/** What the user and the model have said. */
export const messageVerbs = { list, findOwned, history }
