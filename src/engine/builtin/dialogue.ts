import { LRUCache } from 'lru-cache'
import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import type { Turn } from '../engine.ts'
import { Brain } from './brain.ts'
import type { Occasion } from './brain.ts'
import { copyMemory, emptyMemory, hash } from './memory.ts'
import type { Memory } from './memory.ts'
import { languageOf, readSentences } from './message.ts'
import { EDGE } from './sentence.ts'
import type { Language } from './sentence.ts'

/** Earlier messages that are heard again when nothing is kept of a conversation. */
const MAX_EARLIER = 40
/** The window moves in steps, so that between two steps what is kept equals what would be heard again. */
const WINDOW_STEP = 20
const KEPT_CONVERSATIONS = 500
const REPLIES_JOINED = 2

/** A reply with its marks, and the language that it is in. */
export interface RawReply {
  readonly text: string
  readonly language: Language
}

/** The built-in conversation: what it answers depends on the turn alone, on whichever instance. */
export class Dialogue {
  readonly #brains: Record<Language, Brain> = {
    english: new Brain('english'),
    korean: new Brain('korean'),
  }
  readonly #kept = new LRUCache<string, Memory>({ max: KEPT_CONVERSATIONS })

  /** The reply to the last message of the turn. */
  async reply(turn: Turn, signal: AbortSignal): Promise<RawReply> {
    const said = turn.messages.filter(({ role }) => role === 'user').map(({ content }) => content)
    const message = said.pop() ?? ''
    const first = Math.max(0, Math.ceil((said.length - MAX_EARLIER) / WINDOW_STEP) * WINDOW_STEP)
    const earlier = said.slice(first)
    // The window's first message is part of the seed: a caller that moves its own window gets new turns too.
    const seed = hash(turn.conversationId + (earlier[0] ?? message))
    const memory = await this.#recall(turn.conversationId, earlier, seed, signal)
    const reply = await this.#hear(message, memory)
    this.#kept.set(keyOf(turn.conversationId, [...earlier, message]), memory)
    return reply
  }

  async #recall(
    id: string,
    earlier: readonly string[],
    seed: number,
    signal: AbortSignal,
  ): Promise<Memory> {
    const kept = this.#kept.get(keyOf(id, earlier))
    if (kept) return copyMemory(kept)
    const memory = emptyMemory(seed)
    for (const message of earlier) {
      await this.#hear(message, memory)
      // Others wait while a long conversation is heard again.
      await setImmediate()
      signal.throwIfAborted()
    }
    return memory
  }

  async #hear(message: string, memory: Memory): Promise<RawReply> {
    memory.language = languageOf(message.slice(0, 1_000)) ?? memory.language
    const { language } = memory
    const sentences = readSentences(message, language)
    const occasion = occasionOf(message, sentences.length)
    const brain = this.#brains[language]
    const replies: string[] = []
    if (occasion) replies.push(await brain.reply(occasion, memory, message))
    else for (const sentence of sentences) replies.push(await brain.reply(sentence, memory))
    const text = joinReplies(replies)
    memory.lastReply = `${EDGE} ${text} ${EDGE}`
    return { text, language }
  }
}

/** What the message is when there is nothing in it that a rule could match. */
function occasionOf(message: string, sentences: number): Occasion | undefined {
  const read = message.slice(0, 1_000)
  if (sentences > 0) {
    const foreign = /\p{L}/u.test(read) && languageOf(read) === undefined
    return foreign ? 'foreign' : undefined
  }
  return /\p{Extended_Pictographic}/u.test(read) ? 'emoji' : 'silence'
}

/** What is grave is answered alone. Otherwise several sentences get at most two replies: those that mean something, a greeting only when it is all there is. */
function joinReplies(replies: readonly string[]): string {
  const grave = replies.find((reply) => reply.includes('‹grave›'))
  if (grave !== undefined) return grave
  const known = replies.filter((reply) => !reply.includes('‹fallback›'))
  const meant = known.filter((reply) => !reply.includes('‹hello›'))
  const [best = replies.slice(-1)] = [meant, known].filter((list) => list.length > 0)
  const joined = [...new Set(best)].slice(-REPLIES_JOINED)
  return joined
    .map((reply, index) => (index < joined.length - 1 ? withoutQuestion(reply) : reply))
    .join(' ')
}

/** A reply without the question at its end, which only the last one may ask; a reply that is all question stays. */
function withoutQuestion(reply: string): string {
  return reply.replace(/(?<=[.!?])\s+[^.!?]*\?(?:\s*‹[^›]*›)*$/u, '')
}

function keyOf(id: string, messages: readonly string[]): string {
  const digest = createHash('sha256').update(id)
  // A length before each text: no two lists make the same bytes.
  for (const message of messages) digest.update(`\n${message.length}\n`).update(message)
  return digest.digest('base64')
}
