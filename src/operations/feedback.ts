import type { Services } from '../domain/services.ts'
import { feedbackPageView, feedbackView } from '../views/feedback.ts'
import type { Group } from './operation.ts'

export const feedbackOperations = ({ feedback }: Services) =>
  ({
    async giveFeedback({ body }, caller) {
      return { status: 200, body: feedbackView(await feedback.give(caller, body)) }
    },

    async listFeedback({ query }, caller, call) {
      return { status: 200, body: feedbackPageView(await feedback.list(caller, query, call)) }
    },

    async deleteFeedback({ path }, caller) {
      await feedback.remove(caller, path.feedbackId)
      return { status: 204 }
    },
  }) satisfies Group<'feedback'>
