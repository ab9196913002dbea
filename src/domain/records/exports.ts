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
import type { Principal } from '../access/principal.ts'
import type { Call } from '../calls/call.ts'
import type { Dependencies } from '../dependencies.ts'
import type { LargeReads, Reader } from '../lists/large-reads.ts'
import { actorOf, type Audit } from './audit.ts'
import { ExportPages } from './export-pages.ts'

/** One line of an export. */
export type ExportRecord =
  | { type: 'profile'; account: Account }
  | { type: 'session'; session: Session; isCurrent: boolean }
  | { type: 'conversation'; conversation: Conversation }
  | { type: 'message'; message: Message }
  | { type: 'feedback'; feedback: Feedback }
  | { type: 'usage'; usage: UsageRecord }
  | { type: 'audit-event'; event: AuditEvent }
  /** The last one, with the number of those before it. */
  | { type: 'end'; records: number }

type Deps = Pick<Dependencies, 'store' | 'clock'> & {
  access: Access
  audit: Audit
  largeReads: LargeReads
}

/** Exports what is stored of a caller, a few rows at a time, so that memory holds little of it. */
export class Exports {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /**
   * Everything that is stored of the caller. The export is recorded before its first record is
   * sent.
   * @throws {Problem} export-busy
   */
  async account(caller: Principal, call: Call): Promise<AsyncIterable<ExportRecord>> {
    const { access, audit } = this.#deps
    const pages = this.#start({ caller, call })
    const account = await access.account(caller)
    const [actor, target] = [actorOf(caller), actorOf(caller)]
    await audit.recordAlone(call, { event: 'data.exported', actor, target })
    return counted(this.#accountRecords(account, pages, caller.sessionId))
  }

  /** @throws {Problem} not-found, export-busy */
  async conversation(
    caller: Principal,
    id: string,
    call: Call,
  ): Promise<AsyncIterable<ExportRecord>> {
    const pages = this.#start({ caller, call })
    return counted(conversationRecords(await this.#deps.access.conversation(caller, id), pages))
  }

  #start(reader: Reader): ExportPages {
    const { store, largeReads } = this.#deps
    largeReads.startExport(reader)
    return new ExportPages(store, largeReads, reader)
  }

  async *#accountRecords(
    account: Account,
    pages: ExportPages,
    currentSessionId: string | undefined,
  ): AsyncGenerator<ExportRecord> {
    const { id } = account
    yield { type: 'profile', account }
    const now = this.#deps.clock.now()
    for await (const session of pages.sessions(id, now)) {
      yield { type: 'session', session, isCurrent: session.id === currentSessionId }
    }
    for await (const conversation of pages.conversations(id, now)) {
      yield* conversationRecords(conversation, pages)
    }
    for await (const feedback of pages.feedback(id)) yield { type: 'feedback', feedback }
    for await (const usage of pages.usage(id)) yield { type: 'usage', usage }
    for await (const event of pages.auditEvents(id)) yield { type: 'audit-event', event }
  }
}

async function* conversationRecords(
  conversation: Conversation,
  pages: ExportPages,
): AsyncGenerator<ExportRecord> {
  yield { type: 'conversation', conversation }
  for await (const message of pages.messages(conversation)) yield { type: 'message', message }
}

async function* counted(records: AsyncIterable<ExportRecord>): AsyncGenerator<ExportRecord> {
  let count = 0
  for await (const record of records) {
    count += 1
    yield record
  }
  yield { type: 'end', records: count }
}
