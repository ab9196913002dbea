import type { Dependencies } from '../dependencies.ts'
import type { Feedback } from '../../store/store.ts'
import { found } from '../access/access.ts'
import type { Call } from '../calls/call.ts'
import { bytesOf, type LargeReads } from '../lists/large-reads.ts'
import {
  afterChange,
  type Page,
  type PageRequest,
  positionByChange,
  readPage,
} from '../lists/paging.ts'
import type { Principal } from '../access/principal.ts'

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
  largeReads,
}: Pick<Dependencies, 'store' | 'clock' | 'ids' | 'cursors'> & { largeReads: LargeReads }) {
  return {
    async give(caller: Principal, { tags = [], ...given }: NewFeedback): Promise<Feedback> {
      const feedback = { ...given, tags, id: ids.next(), accountId: caller.id, now: clock.now() }
      return found(await store.feedback.give(feedback))
    },

    /** @throws {Problem} cursor-mismatch, export-busy */
    list(caller: Principal, page: PageRequest, call: Call): Promise<Page<Feedback>> {
      const accountId = caller.id
      const list = {
        filters: { list: 'feedback', accountId },
        read: (limit: number, after?: readonly (string | number)[]) =>
          store.feedback.list({ accountId, limit, ...(after && { after: afterChange(after) }) }),
        positionOf: positionByChange,
      }
      return largeReads.list({ caller, call }, () => readPage(cursors, list, page), textIn)
    },

    /** Of everybody. @throws {Problem} cursor-mismatch, export-busy */
    listAll(
      caller: Principal,
      { rating, ...page }: PageRequest & { rating?: Feedback['rating'] },
      call: Call,
    ): Promise<Page<Feedback>> {
      const filter = rating === undefined ? {} : { rating }
      const list = {
        filters: { list: 'all-feedback', ...filter },
        read: (limit: number, after?: readonly (string | number)[]) =>
          store.feedback.list({ ...filter, limit, ...(after && { after: afterChange(after) }) }),
        positionOf: positionByChange,
      }
      return largeReads.list({ caller, call }, () => readPage(cursors, list, page), textIn)
    },

    async remove(caller: Principal, id: string): Promise<void> {
      const removed = await store.feedback.remove({ id, accountId: caller.id })
      found(removed ? true : undefined)
    },
  }
}

function textIn({ data }: Page<Feedback>): number {
  return bytesOf(data.map(({ comment }) => comment))
}
