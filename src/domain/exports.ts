import type { Dependencies } from '../dependencies.ts'
import type {
  Account,
  AuditEvent,
  Conversation,
  Feedback,
  Message,
  Session,
  UsageRecord,
} from '../store/store.ts'
import type { Access } from './access.ts'
import { actorOf, type Audit } from './audit.ts'
import type { Call } from './call.ts'
import type { Principal } from './principal.ts'

/** Rows that are held at a time. */
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

type Deps = Pick<Dependencies, 'store' | 'clock'> & { access: Access; audit: Audit }

/** Everything of somebody, a few rows at a time: however much it is, memory holds little of it. */
export function createExports({ store, clock, access, audit }: Deps) {
  async function* messagesOf(conversation: Conversation): AsyncGenerator<ExportRecord> {
    yield { type: 'conversation', conversation }
    const { id: conversationId } = conversation
    const pages = pagesOf((last?: Message) =>
      store.messages.list({
        conversationId,
        limit: AT_ONCE,
        ...(last && { after: last.position }),
      }),
    )
    for await (const message of pages) yield { type: 'message', message }
  }

  async function* recordsOf(account: Account, caller: Principal): AsyncGenerator<ExportRecord> {
    const { id } = account
    yield { type: 'profile', account }
    const now = clock.now()
    for await (const session of pagesOf((last?: Session) =>
      store.sessions.walkLive({ accountId: id, now, limit: AT_ONCE, ...afterId(last) }),
    )) {
      yield { type: 'session', session, isCurrent: session.id === caller.sessionId }
    }
    for await (const conversation of pagesOf((last?: Conversation) =>
      store.conversations.walk({ ownerId: id, limit: AT_ONCE, ...afterId(last) }),
    )) {
      yield* messagesOf(conversation)
    }
    for await (const feedback of pagesOf((last?: Feedback) =>
      store.feedback.walk({
        accountId: id,
        limit: AT_ONCE,
        ...(last && { afterMessageId: last.messageId }),
      }),
    )) {
      yield { type: 'feedback', feedback }
    }
    for await (const usage of pagesOf((last?: UsageRecord) =>
      store.usage.list({ accountId: id, limit: AT_ONCE, ...(last && { after: last }) }),
    )) {
      yield { type: 'usage', usage }
    }
    for await (const event of pagesOf((last?: AuditEvent) =>
      store.auditEvents.list({ actorId: id, limit: AT_ONCE, ...(last && { after: last }) }),
    )) {
      yield { type: 'audit-event', event }
    }
  }

  return {
    /** All that is kept of the caller. It is recorded before the first record is given out. */
    async account(caller: Principal, call: Call): Promise<AsyncIterable<ExportRecord>> {
      const account = await access.account(caller)
      const [actor, target] = [actorOf(caller), actorOf(caller)]
      await audit.recordAlone(call, { event: 'data.exported', actor, target })
      return counted(recordsOf(account, caller))
    },

    /** @throws {Problem} not-found */
    async conversation(caller: Principal, id: string): Promise<AsyncIterable<ExportRecord>> {
      return counted(messagesOf(await access.conversation(caller, id)))
    },
  }
}

function afterId(last: { id: string } | undefined): { afterId?: string } {
  return last ? { afterId: last.id } : {}
}

/** The rows of a list, page by page. @param read gives the rows after the last one seen */
async function* pagesOf<T>(read: (last: T | undefined) => Promise<T[]>): AsyncGenerator<T> {
  let last: T | undefined
  do {
    const page: T[] = await read(last)
    yield* page
    last = page.at(-1)
  } while (last !== undefined)
}

async function* counted(records: AsyncIterable<ExportRecord>): AsyncGenerator<ExportRecord> {
  let count = 0
  for await (const record of records) {
    count += 1
    yield record
  }
  yield { type: 'end', records: count }
}
