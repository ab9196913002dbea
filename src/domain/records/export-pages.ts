import type {
  AuditEvent,
  Conversation,
  Feedback,
  Message,
  Session,
  Store,
  UsageRecord,
} from '../../store/store.ts'
import { bytesOf, type LargeReads, type Reader } from '../lists/large-reads.ts'

/** The most rows in memory at a time. */
const PAGE_ROWS = 200

/** The rows of one export, read page by page. */
export class ExportPages {
  readonly #store: Store
  readonly #largeReads: LargeReads
  readonly #reader: Reader

  constructor(store: Store, largeReads: LargeReads, reader: Reader) {
    this.#store = store
    this.#largeReads = largeReads
    this.#reader = reader
  }

  sessions(accountId: string, now: Date): AsyncGenerator<Session> {
    return this.#walk((last) =>
      this.#store.sessions.walkLive({ accountId, now, limit: PAGE_ROWS, ...afterId(last) }),
    )
  }

  /** Those created by `now`: otherwise an owner that keeps creating would never reach the end. */
  conversations(ownerId: string, now: Date): AsyncGenerator<Conversation> {
    return this.#walk(async (last) => {
      const page = { ownerId, limit: PAGE_ROWS, ...afterId(last) }
      const rows = await this.#store.conversations.walk(page)
      return rows.filter(({ createdAt }) => createdAt <= now)
    })
  }

  /** Those that the conversation had when it was read. */
  messages({ id, messageCount }: Conversation): AsyncGenerator<Message> {
    const read = async (last?: Message) => {
      const after = last && { after: last.position }
      const page = { conversationId: id, limit: PAGE_ROWS, ...after }
      const { found } = await this.#store.messages.list(page)
      return found.filter(({ position }) => position <= messageCount)
    }
    return this.#walk(read, ({ content }) => content)
  }

  feedback(accountId: string): AsyncGenerator<Feedback> {
    const read = (last?: Feedback) => {
      const after = last && { afterMessageId: last.messageId }
      return this.#store.feedback.walk({ accountId, limit: PAGE_ROWS, ...after })
    }
    return this.#walk(read, ({ comment }) => comment)
  }

  usage(accountId: string): AsyncGenerator<UsageRecord> {
    return this.#walk((last) =>
      this.#store.usage.list({ accountId, limit: PAGE_ROWS, ...(last && { after: last }) }),
    )
  }

  auditEvents(actorId: string): AsyncGenerator<AuditEvent> {
    return this.#walk((last) =>
      this.#store.auditEvents.list({ actorId, limit: PAGE_ROWS, ...(last && { after: last }) }),
    )
  }

  /**
   * @param read reads the page of rows after the last one
   * @param textOf the part of a row that may be long
   */
  async *#walk<T>(
    read: (last?: T) => Promise<T[]>,
    textOf: (row: T) => string | undefined = () => undefined,
  ): AsyncGenerator<T> {
    let last: T | undefined
    const sizeOf = (page: T[]) => bytesOf(page.map(textOf))
    do {
      const page: T[] = await this.#largeReads.page(this.#reader, () => read(last), sizeOf)
      yield* page
      last = page.at(-1)
    } while (last !== undefined)
  }
}

function afterId(last: { id: string } | undefined): { afterId?: string } {
  return last ? { afterId: last.id } : {}
}
