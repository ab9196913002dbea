import type { Dependencies } from '../dependencies.ts'
import type { Conversation, ConversationChanges, Message } from '../../store/store.ts'
import { type Access, found } from '../access/access.ts'
import type { Call } from '../calls/call.ts'
import type { CursorPosition } from '../lists/cursors.ts'
import { bytesOf, type LargeReads, type Reader } from '../lists/large-reads.ts'
import { defaultMode, requireMode } from '../chat/modes.ts'
import {
  afterChange,
  type Page,
  type PageRequest,
  positionByChange,
  readPage,
} from '../lists/paging.ts'
import type { Principal } from '../access/principal.ts'
import { cutLine } from '../text/single-line.ts'
import { UNTITLED } from './titles.ts'
import { refuseStale } from '../calls/entity-tags.ts'

/** How many messages a conversation shows with itself; the contract's `maxItems`. */
const LATEST_MESSAGES = 50

export type ConversationWithMessages = {
  conversation: Conversation
  messages: Message[]
  /** Leads to all its messages; present when there are earlier ones than these. */
  messagesCursor?: string
}

export type ConversationQuery = PageRequest & { q?: string; archived?: boolean }

type Deps = Pick<Dependencies, 'store' | 'clock' | 'ids' | 'cursors'> & {
  access: Access
  largeReads: LargeReads
}

/** A caller's conversations and their messages. */
export class Conversations {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /** @throws {Problem} invalid-request for an unknown mode */
  async create(
    caller: Principal,
    { title, mode }: { title?: string; mode?: string },
    call: Pick<Call, 'resourceId'>,
  ): Promise<Conversation> {
    const { store, clock, ids, access } = this.#deps
    if (mode !== undefined) requireMode(mode, '/mode')
    const preferred = mode ?? (await access.account(caller)).preferences.defaultMode
    return store.conversations.create({
      id: call.resourceId ?? ids.next(),
      ownerId: caller.id,
      title: title === undefined ? UNTITLED : cutLine(title),
      mode: preferred ?? defaultMode.id,
      now: clock.now(),
    })
  }

  /** A search, which reads many rows, waits for its turn. @throws {Problem} unavailable */
  list(
    caller: Principal,
    { q, archived, ...page }: ConversationQuery,
    call: Reader['call'],
  ): Promise<Page<Conversation>> {
    const { store, cursors, largeReads } = this.#deps
    const filter = { ownerId: caller.id, ...(archived !== undefined && { archived }) }
    const list = {
      filters: { list: 'conversations', ...filter, search: q },
      read: (limit: number, after?: CursorPosition) => {
        const asked = { ...filter, limit, ...(after && { after: afterChange(after) }) }
        if (q === undefined) return store.conversations.list(asked)
        return store.conversations.search({ ...asked, text: q })
      },
      positionOf: positionByChange,
    }
    const read = () => readPage(cursors, list, page)
    return q === undefined ? read() : largeReads.list({ caller, call }, read, () => 0)
  }

  /** A conversation with its latest messages. @throws {Problem} not-found, export-busy */
  async read(
    caller: Principal,
    id: string,
    call: Reader['call'],
  ): Promise<ConversationWithMessages> {
    const { store, cursors, largeReads } = this.#deps
    const which = { id, ownerId: caller.id, limit: LATEST_MESSAGES }
    const { conversation, messages, hasEarlier } = found(
      await largeReads.list(
        { caller, call },
        () => store.conversations.findWithLatestMessages(which),
        (read) => textIn(read?.messages ?? []),
      ),
    )
    if (!hasEarlier) return { conversation, messages }
    const messagesCursor = cursors.seal([0], messageFilters(id))
    return { conversation, messages, messagesCursor }
  }

  /** @throws {Problem} not-found, precondition-failed; invalid-request for an unknown mode */
  async change(
    caller: Principal,
    id: string,
    changes: ConversationChanges,
    expectedVersions: readonly number[] | undefined,
  ): Promise<Conversation> {
    const { store, clock, access } = this.#deps
    if (changes.mode !== undefined) requireMode(changes.mode, '/mode')
    const { title } = changes
    const changed = await store.conversations.update({
      id,
      ownerId: caller.id,
      changes: { ...changes, ...(title !== undefined && { title: cutLine(title) }) },
      ...(expectedVersions !== undefined && { expectedVersions }),
      now: clock.now(),
    })
    if (changed === 'stale') {
      return refuseStale(await access.conversation(caller, id), expectedVersions)
    }
    return found(changed)
  }

  /** @throws {Problem} not-found, precondition-failed */
  async remove(caller: Principal, id: string, expectedVersions?: readonly number[]): Promise<void> {
    const { store, access } = this.#deps
    const outcome = await store.conversations.remove({
      id,
      ownerId: caller.id,
      ...(expectedVersions !== undefined && { expectedVersions }),
    })
    if (outcome === 'stale') refuseStale(await access.conversation(caller, id), expectedVersions)
    found(outcome)
  }

  /** @throws {Problem} not-found, cursor-mismatch, export-busy */
  async listMessages(
    caller: Principal,
    id: string,
    page: PageRequest,
    call: Reader['call'],
  ): Promise<Page<Message>> {
    const { store, cursors, access, largeReads } = this.#deps
    await access.conversation(caller, id)
    const list = {
      filters: messageFilters(id),
      read: (limit: number, after?: CursorPosition) =>
        store.messages.list({
          conversationId: id,
          limit,
          ...(after && { after: Number(after[0]) }),
        }),
      positionOf: (message: Message) => [message.position],
    }
    const read = () => readPage(cursors, list, page)
    return largeReads.list({ caller, call }, read, ({ data }) => textIn(data))
  }
}

function messageFilters(conversationId: string) {
  return { list: 'messages', conversationId }
}

function textIn(messages: readonly Message[]): number {
  return bytesOf(messages.map(({ content }) => content))
}
