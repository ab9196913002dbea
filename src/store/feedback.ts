import { Prisma } from '../../generated/prisma/client.ts'
import { present, type PagePosition } from './rows.ts'
import type { Client } from './database/query.ts'
import type { Searched } from './searching.ts'
import { type TextRow, toTextPage, withinPageBytes } from './text-pages.ts'

export type Feedback = {
  id: string
  accountId: string
  messageId: string
  rating: 'up' | 'down'
  tags: string[]
  comment?: string
  createdAt: Date
  updatedAt: Date
}

type NewFeedback = Omit<Feedback, 'createdAt' | 'updatedAt'> & { now: Date }

type FeedbackRow = Omit<Feedback, 'comment'> & { comment: string | null }

/** What an account thinks of an answer: one opinion of each. */
export const feedbackStore = ({ prisma, query }: Client) => ({
  /**
   * A second one replaces the first, which keeps its id and createdAt.
   * @returns undefined when the account owns no such answer.
   */
  async give(feedback: NewFeedback): Promise<Feedback | undefined> {
    const { id, accountId, messageId, rating, tags, comment, now } = feedback
    const [row] = await query<FeedbackRow[]>`
      INSERT INTO feedback AS f
        (id, account_id, message_id, rating, tags, comment, created_at, updated_at)
      SELECT ${id}::uuid, c.owner_id, m.id, ${rating}::rating, ${tags}::text[],
        ${comment ?? null}::text, ${now}::timestamptz, ${now}::timestamptz
      FROM messages m JOIN conversations c ON c.id = m.conversation_id
      WHERE m.id = ${messageId}::uuid AND m.role = 'assistant'
        AND c.owner_id = ${accountId}::uuid
      -- Or its conversation is deleted before the row that refers to it is checked.
      FOR KEY SHARE OF m
      ON CONFLICT (account_id, message_id) DO UPDATE
      SET rating = excluded.rating, tags = excluded.tags, comment = excluded.comment,
        updated_at = excluded.updated_at
      RETURNING ${feedbackColumns}`
    return row && present(row)
  },

  /** The newest change first, as many as a page holds text. */
  async list(page: {
    /** Left out, of everybody. */
    accountId?: string
    rating?: Feedback['rating']
    limit: number
    after?: PagePosition
  }): Promise<Searched<Feedback>> {
    const { accountId, rating, limit, after } = page
    const asked = Prisma.sql`
      SELECT * FROM feedback f WHERE true
      ${accountId === undefined ? Prisma.empty : Prisma.sql`AND f.account_id = ${accountId}::uuid`}
      ${rating === undefined ? Prisma.empty : Prisma.sql`AND f.rating = ${rating}::rating`}
      ${after === undefined ? Prisma.empty : follows(after)}
      ORDER BY f.updated_at DESC, f.id DESC LIMIT ${limit}::int`
    const order = Prisma.sql`updated_at DESC, id DESC`
    const rows = await query<TextRow<FeedbackRow>[]>`
      SELECT ${feedbackColumns}, f."isFollowed"
      FROM ${withinPageBytes(asked, { text: COMMENT, order })} AS f
      ORDER BY f.updated_at DESC, f.id DESC`
    return toTextPage(rows, present<FeedbackRow>)
  },

  /**
   * Each once, as many as a page holds text, in an order that no change moves it in: for reading all of
   * them.
   */
  async walk(page: {
    accountId: string
    limit: number
    /** The message of the last one seen: each has one feedback of an account at most. */
    afterMessageId?: string
  }): Promise<Feedback[]> {
    const { accountId, limit, afterMessageId } = page
    const asked = Prisma.sql`
      SELECT * FROM feedback f WHERE f.account_id = ${accountId}::uuid
      ${afterMessageId === undefined ? Prisma.empty : Prisma.sql`AND f.message_id > ${afterMessageId}::uuid`}
      ORDER BY f.message_id LIMIT ${limit}::int`
    const rows = await query<FeedbackRow[]>`
      SELECT ${feedbackColumns}
      FROM ${withinPageBytes(asked, { text: COMMENT, order: Prisma.sql`message_id` })} AS f
      ORDER BY f.message_id`
    return rows.map(present)
  },

  /** False when the account has no such feedback. */
  async remove({ id, accountId }: { id: string; accountId: string }): Promise<boolean> {
    const { count } = await prisma.feedback.deleteMany({ where: { id, accountId } })
    return count > 0
  },
})

const COMMENT = Prisma.sql`comment`

const feedbackColumns = Prisma.sql`
  f.id, f.account_id AS "accountId", f.message_id AS "messageId", f.rating, f.tags, f.comment,
  f.created_at AS "createdAt", f.updated_at AS "updatedAt"`

function follows({ updatedAt, id }: PagePosition): Prisma.Sql {
  return Prisma.sql`AND (f.updated_at, f.id) < (${updatedAt}::timestamptz, ${id}::uuid)`
}
