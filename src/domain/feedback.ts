import type { Dependencies } from '../dependencies.ts'
import type { Feedback } from '../store/store.ts'
import { found } from './access.ts'
import { afterChange, type Page, type PageRequest, positionByChange, readPage } from './paging.ts'
import type { Principal } from './principal.ts'

export type NewFeedback = {
  messageId: string
  rating: 'up' | 'down'
  tags?: string[]
  comment?: string
}

/** What callers think of answers: one feedback for each person and message. */
export function createFeedback({
  store,
  clock,
  ids,
  cursors,
}: Pick<Dependencies, 'store' | 'clock' | 'ids' | 'cursors'>) {
  return {
    async give(caller: Principal, { tags = [], ...given }: NewFeedback): Promise<Feedback> {
      const feedback = { ...given, tags, id: ids.next(), accountId: caller.id, now: clock.now() }
      return found(await store.feedback.give(feedback))
    },

    list(caller: Principal, page: PageRequest): Promise<Page<Feedback>> {
      const accountId = caller.id
      const list = {
        filters: { list: 'feedback', accountId },
        read: (limit: number, after?: readonly (string | number)[]) =>
          store.feedback.list({ accountId, limit, ...(after && { after: afterChange(after) }) }),
        positionOf: positionByChange,
      }
      return readPage(cursors, list, page)
    },

    /** Of everybody. */
    listAll({
      rating,
      ...page
    }: PageRequest & { rating?: Feedback['rating'] }): Promise<Page<Feedback>> {
      const filter = rating === undefined ? {} : { rating }
      const list = {
        filters: { list: 'all-feedback', ...filter },
        read: (limit: number, after?: readonly (string | number)[]) =>
          store.feedback.list({ ...filter, limit, ...(after && { after: afterChange(after) }) }),
        positionOf: positionByChange,
      }
      return readPage(cursors, list, page)
    },

    async remove(caller: Principal, id: string): Promise<void> {
      const removed = await store.feedback.remove({ id, accountId: caller.id })
      found(removed ? true : undefined)
    },
  }
}
