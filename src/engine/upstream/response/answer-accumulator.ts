import { TextCleaner } from '../../clean-text.ts'
import { EngineFailure, type EngineEnd, type Turn } from '../../engine.ts'
import { estimateUsage } from '../../tokens.ts'
import { upstreamFailed } from '../connection/upstream-failures.ts'
import type { CompletionChunk } from './completion-chunk.ts'
import { emptyAnswer } from './empty-answer.ts'
import type { Ending } from './finish-reasons.ts'
import { ReasoningFilter } from './reasoning-filter.ts'
import { normalizeUsage, type ReportedUsage } from './reported-usage.ts'

/** The end of a reasoning block whose beginning the server has cut off, on a line of its own. */
const CUT_REASONING = /\n<\/think>(?:\n|$)/
const CUT_REASONING_REMARK =
  'the answer contains the reasoning of the model before </think>: configure the model server to separate reasoning from the answer'

/** Accumulates the chunks of an answer, and decides how it ends. */
export class AnswerAccumulator {
  readonly #filter = new ReasoningFilter()
  readonly #cleaner = new TextCleaner()
  #text = ''
  #model: string
  #usage: ReportedUsage = {}
  #ending: Ending | undefined
  #isLast = false
  #hasReasoning = false
  #hasToolCall = false

  /** @param model the name for as long as the upstream sends none */
  constructor(model: string) {
    this.#model = model
  }

  /**
   * Whether the answer is complete: by a known finish reason, or by `[DONE]` where none was sent,
   * since many servers never send one. `[DONE]` does not outweigh an unknown reason, after which
   * the answer may be cut off.
   */
  get isComplete(): boolean {
    return this.#ending === undefined ? this.#isLast : typeof this.#ending === 'string'
  }

  /** Takes over a chunk and returns the text that can be shown. */
  add(chunk: CompletionChunk): string {
    const { model, usage, ending, text = '' } = chunk
    if (model !== undefined) this.#model = model
    // Some servers send one count at the beginning and the others at the end.
    if (usage) this.#usage = { ...this.#usage, ...usage }
    if (ending !== undefined) this.#ending = ending
    if (chunk.isLast) this.#isLast = true
    if (chunk.isReasoning) this.#hasReasoning = true
    if (chunk.isToolCall) this.#hasToolCall = true
    return this.#append(this.#cleaner.push(this.#filter.push(text)))
  }

  /** Returns the text that was held back, once no chunk follows. */
  flush(): string {
    return this.#append(this.#cleaner.push(this.#filter.end()) + this.#cleaner.end())
  }

  /** @throws EngineFailure when the answer is incomplete, or empty for no good reason */
  end(turn: Turn): EngineEnd {
    if (!this.isComplete) throw this.#incomplete()
    const ending = this.#ending
    if (this.#text === '' && ending !== 'contentFilter') throw this.#empty()
    const finishReason = typeof ending === 'string' && ending !== 'tools' ? ending : undefined
    return {
      type: 'end',
      model: this.#model,
      usage: normalizeUsage(this.#usage) ?? estimateUsage(turn, turn.mode.systemPrompt, this.#text),
      ...(finishReason && { finishReason }),
      ...(this.#showsReasoning && { remark: CUT_REASONING_REMARK }),
    }
  }

  get #showsReasoning(): boolean {
    return CUT_REASONING.test(this.#text) && !this.#text.includes('<think>')
  }

  #append(text: string): string {
    this.#text += text
    return text
  }

  #incomplete(): EngineFailure {
    if (typeof this.#ending !== 'object') {
      return upstreamFailed('the stream ended before the answer did')
    }
    return upstreamFailed(
      `the answer ended for a reason that means a failure or is not known (${this.#ending.unknown})`,
    )
  }

  #empty(): EngineFailure {
    return emptyAnswer({
      ending: this.#ending,
      hasReasoning: this.#hasReasoning || this.#filter.hasReasoning,
      hasToolCall: this.#hasToolCall || this.#ending === 'tools',
    })
  }
}
