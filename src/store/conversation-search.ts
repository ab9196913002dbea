import { Prisma } from '../../generated/prisma/client.ts'
import {
  conversationColumns,
  type Conversation,
  type ConversationFilter,
  listedConversations,
} from './conversations.ts'
import { composed, inAnyCase, matches } from './database/folding.ts'
import { LOOKED_AT_ONCE, type SearchedRow, type Searched, toSearched } from './searching.ts'
import type { Client } from './database/query.ts'

export const conversationSearch = ({ query }: Client) => ({
  /**
   * Those whose title contains the text, in any case, the last active first, among the next 5,000.
   */
  async search({
    text,
    limit,
    ...filter
  }: ConversationFilter & { text: string }): Promise<Searched<Conversation>> {
    const isFound = matches(composed(Prisma.sql`c.title`), inAnyCase(text))
    const isLast = Prisma.sql`c.place = ${LOOKED_AT_ONCE}::int`
    const rows = await query<SearchedRow<Conversation>[]>`
      SELECT ${conversationColumns}, ${isFound} AS "isFound", ${isLast} AS "isLast"
      FROM (
        SELECT *, row_number() OVER (ORDER BY c.updated_at DESC, c.id DESC) AS place
        FROM conversations c ${listedConversations(filter)} LIMIT ${LOOKED_AT_ONCE}::int
      ) AS c
      WHERE ${isFound} OR ${isLast}
      ORDER BY c.updated_at DESC, c.id DESC LIMIT ${limit}::int`
    return toSearched(rows)
  },
})
