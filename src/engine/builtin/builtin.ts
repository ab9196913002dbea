import { Dialogue } from './dialogue.ts'
import { hash } from './memory.ts'
import { styleReply } from './style.ts'
import type { Engine, EnginePart, Turn } from '../engine.ts'
import { estimateUsage } from '../tokens.ts'
import type { Wait } from '../upstream/wait.ts'
import { cleanText } from '../upstream/whole-text.ts'

const MODEL = 'parley-rules-1'
const DEFAULT_WORD_DELAY_MS = 15

export interface BuiltinOptions {
  readonly wait: Wait
  /** Between two words, so that a visitor sees them come; the first comes at once. Default 15 ms. */
  readonly wordDelayMs?: number
}

/** A rule-based conversation in English and Korean: no model, no network, the same answer to the same turn. */
export class BuiltinEngine implements Engine {
  readonly kind = 'builtin'
  readonly model = MODEL
  readonly ruleBased = true
  readonly #dialogue = new Dialogue()
  readonly #wait: Wait
  readonly #wordDelayMs: number

  constructor(options: BuiltinOptions) {
    this.#wait = options.wait
    this.#wordDelayMs = options.wordDelayMs ?? DEFAULT_WORD_DELAY_MS
  }

  async *answer(turn: Turn, signal: AbortSignal): AsyncGenerator<EnginePart> {
    signal.throwIfAborted()
    const reply = await this.#dialogue.reply(turn, signal)
    const colour =
      hash(turn.conversationId) + turn.messages.filter(({ role }) => role === 'user').length
    const answer = cleanText(styleReply(reply.text, reply.language, turn.mode.id, colour))
    const delayMs = turn.delivery === 'whole' ? 0 : this.#wordDelayMs
    for (const [index, text] of (answer.match(/\S+\s*/gu) ?? []).entries()) {
      if (index > 0 && delayMs > 0) await this.#wait(delayMs, signal)
      signal.throwIfAborted()
      yield { type: 'text', text }
    }
    // Rules read no system prompt.
    const usage = estimateUsage(turn, '', answer)
    yield { type: 'end', model: MODEL, finishReason: 'stop', usage }
  }

  async check(): Promise<'up'> {
    return 'up'
  }
}
