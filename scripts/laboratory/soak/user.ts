import { randomInt, randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { AcknowledgedMessages } from './acknowledged.ts'
import { Caller } from './caller.ts'
import { CUT, type Diary } from './diary.ts'
import type { Instance } from './instance.ts'
import { streamAnswer } from './streaming.ts'

/** The longest pause between two calls of one user. */
const LONGEST_PAUSE_MS = 200
const MOST_CONVERSATIONS = 20
/** An export is as large as everything before it, so few are enough. */
const EXPORT_ONE_IN = 20

/** A simulated user: makes random calls and keeps the ids of the messages that were acknowledged. */
export class User {
  readonly #caller: Caller
  readonly #diary: Diary
  readonly #acknowledged = new AcknowledgedMessages()
  readonly #actions: readonly (() => Promise<unknown>)[]

  constructor(email: string, instances: readonly Instance[], diary: Diary) {
    this.#caller = new Caller(email, instances, diary)
    this.#diary = diary
    this.#actions = [...this.#writes(), ...this.#reads()]
  }

  /** Registers, then makes calls until the signal aborts. */
  async run(over: AbortSignal): Promise<void> {
    await this.#caller.register()
    while (!over.aborted) {
      await this.#actions[randomInt(this.#actions.length)]!()
      await pause(randomInt(LONGEST_PAUSE_MS))
    }
  }

  /** The ids of acknowledged messages in conversations that this user did not delete. */
  get acknowledgedIds(): string[] {
    return this.#acknowledged.ids
  }

  /** Returns a line for each conversation that does not hold every acknowledged message once, in order. */
  findLost(): Promise<string[]> {
    return this.#acknowledged.findLost(() => this.#caller.client())
  }

  /** An action that is listed twice is chosen twice as often. */
  #writes(): (() => Promise<unknown>)[] {
    const chat = () => this.#chat()
    const stream = () => this.#stream()
    const deleteOldest = () => this.#deleteOldest()
    const logInAgain = async () => {
      await this.#caller.logOut()
      await this.#caller.logIn()
    }
    const deletes = [deleteOldest, deleteOldest, deleteOldest]
    return [chat, chat, stream, stream, ...deletes, () => this.#caller.refresh(), logInAgain]
  }

  #reads(): (() => Promise<unknown>)[] {
    const caller = this.#caller
    return [
      () => caller.call(200, 'getProfile'),
      () => caller.call(200, 'getUsage'),
      () => caller.call(200, 'listConversations'),
      () => caller.call(200, 'listModes'),
      async () => {
        if (randomInt(EXPORT_ONE_IN) === 0) await caller.call(200, 'exportAccount')
      },
      async () => {
        if (this.#acknowledged.conversationCount === 0) return
        const path = { conversationId: this.#acknowledged.anyConversation() }
        await caller.call(200, 'getConversation', { path })
      },
    ]
  }

  async #chat(): Promise<void> {
    const isFull = this.#acknowledged.conversationCount >= MOST_CONVERSATIONS
    const body = {
      message: 'What do you think?',
      ...(isFull && { conversationId: this.#acknowledged.anyConversation() }),
    }
    const headers = { 'Idempotency-Key': randomUUID() }
    const reply = (await this.#caller.call(200, 'sendMessage', { body, headers })).body
    this.#acknowledged.add(reply.conversationId, [reply.userMessage.id, reply.message.id])
  }

  async #stream(): Promise<void> {
    const body = { message: 'And then?', onDisconnect: 'continue' as const }
    const events = await streamAnswer(this.#caller, body)
    const start = events[0]?.event
    const last = events.at(-1)
    const isWhole = start?.type === 'message.start' && last?.name === 'message.end'
    this.#diary.note('streamMessage', isWhole ? 200 : CUT, JSON.stringify(last?.event))
    if (isWhole)
      this.#acknowledged.add(start.conversationId, [start.userMessage.id, start.messageId])
  }

  async #deleteOldest(): Promise<void> {
    const conversationId = this.#acknowledged.oldestConversation()
    if (conversationId === undefined) return
    if (this.#acknowledged.conversationCount < MOST_CONVERSATIONS) return
    this.#acknowledged.delete(conversationId)
    await this.#caller.callOnce([204, 404], 'deleteConversation', { path: { conversationId } })
  }
}
