import type { Feedback as FeedbackSchema, FeedbackPage } from '../../generated/api.ts'
import type { Page } from '../domain/paging.ts'
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
