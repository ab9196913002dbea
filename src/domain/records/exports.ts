import type { Dependencies } from '../dependencies.ts'
import type {
  Account,
  AuditEvent,
  Conversation,
  Feedback,
  Message,
  Session,
  UsageRecord,
} from '../../store/store.ts'
import type { Access } from '../access/access.ts'
import { actorOf, type Audit } from './audit.ts'
import type { Call } from '../calls/call.ts'
import { bytesOf, type LargeReads, type Reader } from '../lists/large-reads.ts'
import type { Principal } from '../access/principal.ts'

/** Rows that are held at a time, at the most: of long texts fewer. */
const AT_ONCE = 200

/** One line of an export. */
export type ExportRecord =
  | { type: 'profile'; account: Account }
  | { type: 'session'; session: Session; isCurrent: boolean }
  | { type: 'conversation'; conversation: Conversation }
  | { type: 'message'; message: Message }
  | { type: 'feedback'; feedback: Feedback }
  | { type: 'usage'; usage: UsageRecord }
  | { type: 'audit-event'; event: AuditEvent }
  /** The last one: how many came before it. */
  | { type: 'end'; records: number }

type Deps = Pick<Dependencies, 'store' | 'clock'> & {
  access: Access
  audit: Audit
  largeReads: LargeReads
}

/** Everything of somebody, a few rows at a time: however much it is, memory holds little of it. */
export function createExports({ store, clock, access, audit, largeReads }: Deps) {
  /** The rows of a list, page by page, each read in its turn. @param read the rows after the last */
  async function* pagesOf<T>(
    reader: Reader,
    read: (last: T | undefined) => Promise<T[]>,
    textOf: (row: T) => string | undefined = () => undefined,
  ): AsyncGenerator<T> {
    let last: T | undefined
    const sizeOf = (page: T[]) => bytesOf(page.map(textOf))
    do {
      const page: T[] = await largeReads.page(reader, () => read(last), sizeOf)
      yield* page
      last = page.at(-1)
    } while (last !== undefined)
  }

  async function* messagesOf(
    conversation: Conversation,
    reader: Reader,
  ): AsyncGenerator<ExportRecord> {
    yield { type: 'conversation', conversation }
    const { id: conversationId, messageCount } = conversation
    const read = async (last?: Message) => {
      const after = last && { after: last.position }
      const { found } = await store.messages.list({ conversationId, limit: AT_ONCE, ...after })
      return found.filter(({ position }) => position <= messageCount)
    }
    const contentOf = ({ content }: Message) => content
    for await (const message of pagesOf(reader, read, contentOf)) yield { type: 'message', message }
  }

  async function* recordsOf(account: Account, reader: Reader): AsyncGenerator<ExportRecord> {
    const { id } = account
    const { sessionId } = reader.caller
    yield { type: 'profile', account }
    const now = clock.now()
    for await (const session of pagesOf(reader, (last?: Session) =>
      store.sessions.walkLive({ accountId: id, now, limit: AT_ONCE, ...afterId(last) }),
    )) {
      yield { type: 'session', session, isCurrent: session.id === sessionId }
    }
    // What comes while it is read is left out, or an owner who goes on adding would never see its end.
    const begunBy = ({ createdAt }: Conversation) => createdAt <= now
    for await (const conversation of pagesOf(reader, async (last?: Conversation) =>
      (await store.conversations.walk({ ownerId: id, limit: AT_ONCE, ...afterId(last) })).filter(
        begunBy,
      ),
    )) {
      yield* messagesOf(conversation, reader)
    }
    for await (const feedback of pagesOf(
      reader,
      (last?: Feedback) =>
        store.feedback.walk({
          accountId: id,
          limit: AT_ONCE,
          ...(last && { afterMessageId: last.messageId }),
        }),
      ({ comment }) => comment,
    )) {
      yield { type: 'feedback', feedback }
    }
    for await (const usage of pagesOf(reader, (last?: UsageRecord) =>
      store.usage.list({ accountId: id, limit: AT_ONCE, ...(last && { after: last }) }),
    )) {
      yield { type: 'usage', usage }
    }
    for await (const event of pagesOf(reader, (last?: AuditEvent) =>
      store.auditEvents.list({ actorId: id, limit: AT_ONCE, ...(last && { after: last }) }),
    )) {
      yield { type: 'audit-event', event }
    }
  }

  return {
    /**
     * All that is kept of the caller. It is recorded before the first record is given out.
     * @throws {Problem} export-busy
     */
    async account(caller: Principal, call: Call): Promise<AsyncIterable<ExportRecord>> {
      const reader = { caller, call }
      largeReads.beginExport(reader)
      const account = await access.account(caller)
      const [actor, target] = [actorOf(caller), actorOf(caller)]
      await audit.recordAlone(call, { event: 'data.exported', actor, target })
      return counted(recordsOf(account, reader))
    },

    /** @throws {Problem} not-found, export-busy */
    async conversation(
      caller: Principal,
      id: string,
      call: Call,
    ): Promise<AsyncIterable<ExportRecord>> {
      const reader = { caller, call }
      largeReads.beginExport(reader)
      return counted(messagesOf(await access.conversation(caller, id), reader))
    },
  }
}

function afterId(last: { id: string } | undefined): { afterId?: string } {
  return last ? { afterId: last.id } : {}
}

async function* counted(records: AsyncIterable<ExportRecord>): AsyncGenerator<ExportRecord> {
  let count = 0
  for await (const record of records) {
    count += 1
    yield record
  }
  yield { type: 'end', records: count }
}
