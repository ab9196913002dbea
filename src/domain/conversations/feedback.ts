import type { Dependencies } from '../dependencies.ts'
import type { Feedback } from '../../store/store.ts'
import { found } from '../access/access.ts'
import type { CursorPosition } from '../lists/cursors.ts'
import { bytesOf, type LargeReads, type Reader } from '../lists/large-reads.ts'
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

type Deps = Pick<Dependencies, 'store' | 'clock' | 'ids' | 'cursors'> & { largeReads: LargeReads }
type Filter = { accountId?: string; rating?: Feedback['rating'] }

/** What callers think of answers: one feedback for each caller and message. */
export class AnswerFeedback {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** Replaces the caller's earlier feedback on the message. @throws {Problem} not-found */
  async give(caller: Principal, { tags = [], ...given }: NewFeedback): Promise<Feedback> {
    const { store, clock, ids } = this.#deps
    const feedback = { ...given, tags, id: ids.next(), accountId: caller.id, now: clock.now() }
    return found(await store.feedback.give(feedback))
  }

  /** The caller's own. @throws {Problem} cursor-mismatch, export-busy */
  list(caller: Principal, page: PageRequest, call: Reader['call']): Promise<Page<Feedback>> {
    return this.#page({ caller, call }, 'feedback', { accountId: caller.id }, page)
  }

  /** Of all callers. @throws {Problem} cursor-mismatch, export-busy */
  listAll(
    caller: Principal,
    { rating, ...page }: PageRequest & { rating?: Feedback['rating'] },
    call: Reader['call'],
  ): Promise<Page<Feedback>> {
    const filter = rating === undefined ? {} : { rating }
    return this.#page({ caller, call }, 'all-feedback', filter, page)
  }

  /** @throws {Problem} not-found */
  async remove(caller: Principal, id: string): Promise<void> {
    const removed = await this.#deps.store.feedback.remove({ id, accountId: caller.id })
    found(removed ? true : undefined)
  }

  #page(reader: Reader, name: string, filter: Filter, page: PageRequest): Promise<Page<Feedback>> {
    const { store, cursors, largeReads } = this.#deps
    const list = {
      filters: { list: name, ...filter },
      read: (limit: number, after?: CursorPosition) =>
        store.feedback.list({ ...filter, limit, ...(after && { after: afterChange(after) }) }),
      positionOf: positionByChange,
    }
    return largeReads.list(reader, () => readPage(cursors, list, page), textIn)
  }
}

function textIn({ data }: Page<Feedback>): number {
  return bytesOf(data.map(({ comment }) => comment))
}
