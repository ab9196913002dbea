import type {
  AdminFeedback,
  AdminFeedbackPage,
  Feedback as FeedbackSchema,
  FeedbackPage,
} from '../../generated/api.ts'
import type { Page } from '../domain/lists/paging.ts'
import type { Feedback } from '../store/store.ts'
import { timestampView } from './timestamp.ts'

export function feedbackView(feedback: Feedback): FeedbackSchema {
  const { tags, comment } = feedback
  return {
    id: feedback.id,
    messageId: feedback.messageId,
    rating: feedback.rating,
    ...(tags.length > 0 && { tags }),
    ...(comment !== undefined && { comment }),
    createdAt: timestampView(feedback.createdAt),
    updatedAt: timestampView(feedback.updatedAt),
  }
}

export function feedbackPageView({ data, nextCursor }: Page<Feedback>): FeedbackPage {
  return { data: data.map(feedbackView), ...(nextCursor !== undefined && { nextCursor }) }
}

/** Feedback as administrators see it: with the account that gave it. */
export function adminFeedbackPageView({ data, nextCursor }: Page<Feedback>): AdminFeedbackPage {
  return {
    data: data.map(adminFeedbackView),
    ...(nextCursor !== undefined && { nextCursor }),
  }
}

function adminFeedbackView(feedback: Feedback): AdminFeedback {
  const { id, messageId, rating, tags, comment, createdAt, updatedAt } = feedbackView(feedback)
  return {
    id,
    userId: feedback.accountId,
    messageId,
    rating,
    ...(tags !== undefined && { tags }),
    ...(comment !== undefined && { comment }),
    createdAt,
    updatedAt,
  }
}
