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

/** Earlier messages that are replayed when the memory of a conversation is not cached. */
const MAX_EARLIER = 40
/** The window moves in steps: between two steps a cached memory equals a replayed one. */
const WINDOW_STEP = 20
const CACHED_CONVERSATIONS = 500
const REPLIES_JOINED = 2

/** A reply with its marks, and its language. */
export interface RawReply {
  readonly text: string
  readonly language: Language
}

/**
 * The built-in dialogue. A reply depends on the turn alone, so every instance gives the same one.
 */
export class Dialogue {
  readonly #brains: Record<Language, Brain> = {
    english: new Brain('english'),
    korean: new Brain('korean'),
  }
  readonly #cache = new LRUCache<string, Memory>({ max: CACHED_CONVERSATIONS })

  /** Replies to the last message of the turn. */
  async reply(turn: Turn, signal: AbortSignal): Promise<RawReply> {
    const said = turn.messages.filter(({ role }) => role === 'user').map(({ content }) => content)
    const message = said.pop() ?? ''
    const first = Math.max(0, Math.ceil((said.length - MAX_EARLIER) / WINDOW_STEP) * WINDOW_STEP)
    const earlier = said.slice(first)
    // The seed includes the window's first message: a caller that moves its own window gets new
    // variants.
    const seed = hash(turn.conversationId + (earlier[0] ?? message))
    const memory = await this.#recall(turn.conversationId, earlier, seed, signal)
    const reply = await this.#process(message, memory)
    this.#cache.set(keyOf(turn.conversationId, [...earlier, message]), memory)
    return reply
  }

  async #recall(
    id: string,
    earlier: readonly string[],
    seed: number,
    signal: AbortSignal,
  ): Promise<Memory> {
    const cached = this.#cache.get(keyOf(id, earlier))
    if (cached) return copyMemory(cached)
    const memory = emptyMemory(seed)
    for (const message of earlier) {
      await this.#process(message, memory)
      // Replaying a long conversation must not block other calls.
      await setImmediate()
      signal.throwIfAborted()
    }
    return memory
  }

  async #process(message: string, memory: Memory): Promise<RawReply> {
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

/** The occasion of a message that holds nothing for a rule to match. */
function occasionOf(message: string, sentences: number): Occasion | undefined {
  const read = message.slice(0, 1_000)
  if (sentences > 0) {
    const foreign = /\p{L}/u.test(read) && languageOf(read) === undefined
    return foreign ? 'foreign' : undefined
  }
  return /\p{Extended_Pictographic}/u.test(read) ? 'emoji' : 'silence'
}

/**
 * A reply to something grave stands alone. Otherwise at most two replies are joined: those to known
 * sentences, and a greeting only when there is no other.
 */
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

/**
 * Drops the question at the end of a reply, since only the last one may ask; a reply that is only a
 * question stays.
 */
function withoutQuestion(reply: string): string {
  return reply.replace(/(?<=[.!?])\s+[^.!?]*\?(?:\s*‹[^›]*›)*$/u, '')
}

function keyOf(id: string, messages: readonly string[]): string {
  const digest = createHash('sha256').update(id)
  // The length before each text keeps two lists from giving the same bytes.
  for (const message of messages) digest.update(`\n${message.length}\n`).update(message)
  return digest.digest('base64')
}
