import { randomInt, randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { OperationId } from '../../../src/contract/types.ts'
import {
  type Answer,
  type Client,
  createClient,
  type Identity,
  type Request,
} from '../../../tests/support/client.ts'
import { messageIds } from '../../../tests/support/things.ts'
import { openStream, resumeStream, type WireEvent } from '../../../tests/support/wire/stream.ts'
import { BROKEN, CUT, type Diary } from './diary.ts'
import type { Instance } from './instance.ts'

/** Between two calls of one user, at most. */
const LONGEST_THOUGHT_MS = 200
const TRIES = 60
const AGAIN_MS = 1_000
/** So many conversations are kept; the oldest go. */
const KEPT = 20
/** A stream is left after so many events, now and then, and followed elsewhere. */
const LEFT_AFTER = 4
const EXPORT_ONE_IN = 20
const PASSWORD = 'nine lives and a long memory'

/** Somebody who does everything that users do, at random, and remembers what was acknowledged. */
export type User = {
  live(over: AbortSignal): Promise<void>
  /** Ids of messages that were acknowledged and whose conversation is still there. */
  said(): string[]
  /** What was acknowledged and is not there, exactly once, in its order. */
  missing(): Promise<string[]>
}

export function createUser(email: string, instances: readonly Instance[], diary: Diary): User {
  let identity: Identity | undefined
  /** Ids of acknowledged messages by conversation, oldest first. */
  const conversations = new Map<string, string[]>()

  const somewhere = (): Client =>
    createClient(instances[randomInt(instances.length)]!.url(), identity)

  /** Asks until it is answered, elsewhere if need be; every failure goes into the diary. */
  async function ask<K extends OperationId, S extends Answer<K>['status']>(
    status: S,
    operationId: K,
    request?: Request<K>,
  ): Promise<Extract<Answer<K>, { status: S }>> {
    for (let attempt = 0; attempt < TRIES; attempt += 1) {
      const answer = await somewhere()
        .call(operationId, request)
        .catch((error: unknown) => ({ status: BROKEN, body: String(error) }))
      diary.note(operationId, Number(answer.status), JSON.stringify(answer.body))
      if (answer.status === status) return answer as Extract<Answer<K>, { status: S }>
      await pause(AGAIN_MS)
    }
    throw new Error(`${operationId} never responded with ${String(status)}`)
  }

  const anyConversation = () => [...conversations.keys()][randomInt(conversations.size)]!
  const kept = () => ({ 'Idempotency-Key': randomUUID() })

  async function chat(): Promise<void> {
    const conversationId = conversations.size < KEPT ? undefined : anyConversation()
    const body = { message: 'What do you think?', ...(conversationId && { conversationId }) }
    const reply = (await ask(200, 'sendMessage', { body, headers: kept() })).body
    remember(reply.conversationId, [reply.userMessage.id, reply.message.id])
  }

  async function stream(): Promise<void> {
    const body = { message: 'And then?', onDisconnect: 'continue' as const }
    const events = await readSomewhere(body)
    const begun = events[0]?.event
    const last = events.at(-1)
    const isWhole = begun?.type === 'message.start' && last?.name === 'message.end'
    diary.note('streamMessage', isWhole ? 200 : CUT, JSON.stringify(last?.event))
    if (isWhole) remember(begun.conversationId, [begun.userMessage.id, begun.messageId])
  }

  /** One half of the streams is left in the middle and followed to its end, often elsewhere. */
  async function readSomewhere(body: Parameters<typeof openStream>[1]): Promise<WireEvent[]> {
    try {
      const opened = await openStream(somewhere(), body)
      if (opened.status !== 200) return []
      if (randomInt(2) === 0) return await opened.rest()
      const events: WireEvent[] = []
      for (let event = await opened.next(); event; event = await opened.next()) {
        events.push(event)
        if (events.length === LEFT_AFTER) break
      }
      opened.hangUp()
      const start = events[0]?.event
      if (start?.type !== 'message.start') return events
      const followed = await resumeStream(somewhere(), start.generationId, events.at(-1)!.id)
      return [...events, ...(await followed.rest())]
    } catch {
      return []
    }
  }

  function remember(conversationId: string, ids: string[]): void {
    conversations.set(conversationId, [...(conversations.get(conversationId) ?? []), ...ids])
  }

  async function tidyUp(): Promise<void> {
    const [oldest] = conversations.keys()
    if (oldest === undefined || conversations.size < KEPT) return
    conversations.delete(oldest)
    const gone = { path: { conversationId: oldest } }
    // The second time it is gone already: the first answer may have been lost on its way.
    await untilStatus([204, 404], 'deleteConversation', () =>
      somewhere().call('deleteConversation', gone),
    )
  }

  /** The first of `statuses` is success; the others are only when it was tried before. */
  async function untilStatus(
    statuses: readonly number[],
    operation: string,
    attempt: () => Promise<{ status: number }>,
  ): Promise<void> {
    for (let tried = 0; tried < TRIES; tried += 1) {
      const { status } = await attempt().catch(() => ({ status: BROKEN }))
      const isDone = tried === 0 ? status === statuses[0] : statuses.includes(status)
      diary.note(operation, isDone ? statuses[0]! : status)
      if (isDone) return
      await pause(AGAIN_MS)
    }
    throw new Error(`${operation} never ended`)
  }

  async function logIn(): Promise<void> {
    const { body } = await ask(200, 'logIn', { body: { email, password: PASSWORD } })
    identity = { ...body, email, password: PASSWORD }
  }

  /** A parent is good for another 30 s: who gets no answer for longer than that logs in again. */
  async function refresh(): Promise<void> {
    const { refreshToken } = identity!
    for (let tried = 0; tried < TRIES; tried += 1) {
      const { status, body } = await somewhere()
        .call('refreshTokens', { body: { refreshToken } })
        .catch(() => ({ status: BROKEN, body: undefined }))
      if (status === 401 && tried > 0) return logIn()
      diary.note('refreshTokens', status)
      if (status === 200) {
        identity = { ...identity!, ...body }
        return
      }
      await pause(AGAIN_MS)
    }
    throw new Error('refreshTokens never ended')
  }

  /** Where the first answer was lost on its way, the second says that nobody is logged in. */
  async function logOut(): Promise<void> {
    const ends = { body: { scope: 'current' as const } }
    await untilStatus([204, 401], 'logOut', () => somewhere().call('logOut', ends))
  }

  const ACTS: (() => Promise<unknown>)[] = [
    chat,
    chat,
    stream,
    stream,
    tidyUp,
    tidyUp,
    tidyUp,
    refresh,
    async () => {
      await logOut()
      await logIn()
    },
    () => ask(200, 'getProfile'),
    () => ask(200, 'getUsage'),
    () => ask(200, 'listConversations'),
    () => ask(200, 'listModes'),
    async () => {
      // Everything of an hour is much: now and then is enough.
      if (randomInt(EXPORT_ONE_IN) === 0) await ask(200, 'exportAccount')
    },
    async () => {
      if (conversations.size === 0) return
      await ask(200, 'getConversation', { path: { conversationId: anyConversation() } })
    },
  ]

  return {
    async live(over) {
      await ask(201, 'register', { body: { email, password: PASSWORD, displayName: 'A user' } })
      await logIn()
      while (!over.aborted) {
        await ACTS[randomInt(ACTS.length)]!()
        await pause(randomInt(LONGEST_THOUGHT_MS))
      }
    },
    said: () => [...conversations.values()].flat(),
    async missing() {
      const lost: string[] = []
      for (const [conversationId, ids] of conversations) {
        const all = await messageIds(somewhere(), conversationId)
        const there = all.filter((id) => ids.includes(id))
        if (there.join() !== ids.join())
          lost.push(`${conversationId}: ${ids.join()} is ${there.join()}`)
      }
      return lost
    },
  }
}
