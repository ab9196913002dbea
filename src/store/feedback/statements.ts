import { Prisma } from '../../../generated/prisma/client.ts'
import type { Query } from '../database/query.ts'
import type { PagePosition } from '../rows.ts'
import { type TextRow, withinPageBytes } from '../text-pages.ts'
import type { Feedback, NewFeedback } from './stored-feedback.ts'

export type FeedbackRow = Omit<Feedback, 'comment'> & { comment: string | null }

export const feedbackColumns = Prisma.sql`
  f.id, f.account_id AS "accountId", f.message_id AS "messageId", f.rating, f.tags, f.comment,
  f.created_at AS "createdAt", f.updated_at AS "updatedAt"`

const COMMENT = Prisma.sql`comment`

/** Gives no row when the account owns no such answer. */
export function give(query: Query, feedback: NewFeedback) {
  const { id, accountId, messageId, rating, tags, comment, now } = feedback
  return query<FeedbackRow[]>`
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
}

export type FeedbackPage = {
  /** Absent: of all accounts. */
  accountId?: string
  rating?: Feedback['rating']
  limit: number
  after?: PagePosition
}

/** The window ends the page where it holds enough text. */
export function list(query: Query, { accountId, rating, limit, after }: FeedbackPage) {
  const asked = Prisma.sql`
    SELECT * FROM feedback f WHERE true
    ${accountId === undefined ? Prisma.empty : Prisma.sql`AND f.account_id = ${accountId}::uuid`}
    ${rating === undefined ? Prisma.empty : Prisma.sql`AND f.rating = ${rating}::rating`}
    ${after === undefined ? Prisma.empty : follows(after)}
    ORDER BY f.updated_at DESC, f.id DESC LIMIT ${limit}::int`
  const order = Prisma.sql`updated_at DESC, id DESC`
  return query<TextRow<FeedbackRow>[]>`
    SELECT ${feedbackColumns}, f."isFollowed"
    FROM ${withinPageBytes(asked, { text: COMMENT, order })} AS f
    ORDER BY f.updated_at DESC, f.id DESC`
}

export type FeedbackWalk = {
  accountId: string
  limit: number
  /** The message of the last one seen: an account gives a message one feedback at most. */
  afterMessageId?: string
}

/** The same, by message. */
export function walk(query: Query, { accountId, limit, afterMessageId }: FeedbackWalk) {
  const asked = Prisma.sql`
    SELECT * FROM feedback f WHERE f.account_id = ${accountId}::uuid
    ${afterMessageId === undefined ? Prisma.empty : Prisma.sql`AND f.message_id > ${afterMessageId}::uuid`}
    ORDER BY f.message_id LIMIT ${limit}::int`
  return query<FeedbackRow[]>`
    SELECT ${feedbackColumns}
    FROM ${withinPageBytes(asked, { text: COMMENT, order: Prisma.sql`message_id` })} AS f
    ORDER BY f.message_id`
}

function follows({ updatedAt, id }: PagePosition): Prisma.Sql {
  return Prisma.sql`AND (f.updated_at, f.id) < (${updatedAt}::timestamptz, ${id}::uuid)`
}
