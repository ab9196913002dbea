import type { Client } from '../database/query.ts'
import { present } from '../rows.ts'
import type { Searched } from '../searching.ts'
import { toTextPage } from '../text-pages.ts'
import * as statements from './statements.ts'
import type { Feedback, NewFeedback } from './stored-feedback.ts'
import type { FeedbackPage, FeedbackRow, FeedbackWalk } from './statements.ts'

/**
 * A second one replaces the first, which keeps its id and createdAt.
 * @returns undefined when the account owns no such answer
 */
async function give({ query }: Client, feedback: NewFeedback): Promise<Feedback | undefined> {
  const [row] = await statements.give(query, feedback)
  return row && present(row)
}

/** Lists the last changed first, as many as a page holds text. */
async function list({ query }: Client, page: FeedbackPage): Promise<Searched<Feedback>> {
  return toTextPage(await statements.list(query, page), present<FeedbackRow>)
}

/**
 * Lists each feedback once, as many as a page holds text, in an order that no change affects: for
 * reading all of them.
 */
async function walk({ query }: Client, page: FeedbackWalk): Promise<Feedback[]> {
  return (await statements.walk(query, page)).map(present)
}

/** False when the account has no such feedback. */
async function remove(
  { prisma }: Client,
  { id, accountId }: { id: string; accountId: string },
): Promise<boolean> {
  const { count } = await prisma.feedback.deleteMany({ where: { id, accountId } })
  return count > 0
}

/** What an account thinks of an answer: at most one opinion of each. */
export const feedbackVerbs = { give, list, walk, remove }
