import { type CompletionChunk, failed } from './completion.ts'
import { EngineFailure, type EngineEnd, type Turn } from '../engine.ts'
import type { Ending } from './finish-reasons.ts'
import { SpokenText } from './spoken-text.ts'
import { estimateUsage } from '../tokens.ts'
import { believedUsage, type SaidUsage } from './upstream-words.ts'
import { WholeText } from './whole-text.ts'

/** The end of a thought whose beginning the server has cut off, on a line of its own. */
const CUT_THOUGHT = /\n<\/think>(?:\n|$)/
const CUT_THOUGHT_REMARK =
  'the answer contains the reasoning of the model before </think>: configure the model server to separate reasoning from the answer'

/** What the chunks of an answer have said so far, and how it ends by that. */
export class HeardAnswer {
  readonly #spoken = new SpokenText()
  readonly #whole = new WholeText()
  #text = ''
  #model: string
  #usage: SaidUsage = {}
  #ending: Ending | undefined
  #isLast = false
  #hasThought = false
  #hasCalled = false

  /** @param model as long as the upstream names none */
  constructor(model: string) {
    this.#model = model
  }

  /**
   * Whether it has ended well: for a reason that is known, or by `[DONE]` where none was given, as
   * many servers never give one. A reason that is not known is not undone by `[DONE]`: what ends so
   * may be half an answer.
   */
  get isWhole(): boolean {
    return this.#ending === undefined ? this.#isLast : typeof this.#ending === 'string'
  }

  /** Remembers what a chunk says and gives what of its text can be shown. */
  hear(chunk: CompletionChunk): string {
    const { model, usage, ending, text = '' } = chunk
    if (model !== undefined) this.#model = model
    // Some tell one number at the beginning and the others at the end.
    if (usage) this.#usage = { ...this.#usage, ...usage }
    if (ending !== undefined) this.#ending = ending
    if (chunk.isLast) this.#isLast = true
    if (chunk.isThought) this.#hasThought = true
    if (chunk.isCall) this.#hasCalled = true
    return this.#show(this.#whole.push(this.#spoken.push(text)))
  }

  /** What was held back, once nothing more comes. */
  rest(): string {
    return this.#show(this.#whole.push(this.#spoken.end()) + this.#whole.end())
  }

  /** @throws EngineFailure when it is not whole, or has no text and no reason for that */
  end(turn: Turn): EngineEnd {
    if (!this.isWhole) throw this.#brokenOff()
    const ending = this.#ending
    if (this.#text === '' && ending !== 'contentFilter') throw this.#wordless()
    const finishReason = typeof ending === 'string' && ending !== 'tools' ? ending : undefined
    return {
      type: 'end',
      model: this.#model,
      usage: believedUsage(this.#usage) ?? estimateUsage(turn, turn.mode.systemPrompt, this.#text),
      ...(finishReason && { finishReason }),
      ...(this.#showsThought && { remark: CUT_THOUGHT_REMARK }),
    }
  }

  get #showsThought(): boolean {
    return CUT_THOUGHT.test(this.#text) && !this.#text.includes('<think>')
  }

  #show(text: string): string {
    this.#text += text
    return text
  }

  #brokenOff(): EngineFailure {
    if (typeof this.#ending !== 'object') return failed('the stream ended before the answer did')
    return failed(
      `the answer ended for a reason that means a failure or is not known (${this.#ending.unknown})`,
    )
  }

  #wordless(): EngineFailure {
    const hasThought = this.#hasThought || this.#spoken.hasThought
    const why = whyWordless(hasThought, this.#hasCalled || this.#ending === 'tools', this.#ending)
    // The same question would spend the same tokens on the same end.
    const code = why.isFinal ? 'upstream-refused' : 'upstream-failed'
    return new EngineFailure(code, why.log, { detail: why.detail })
  }
}

type Why = { log: string; detail: string; isFinal?: true }

function whyWordless(hasThought: boolean, hasCalled: boolean, ending: Ending | undefined): Why {
  if (hasCalled) {
    return {
      log: 'the model called a tool and said nothing; tools are not offered here',
      detail: 'The model called a tool instead of answering. No tools are available.',
      isFinal: true,
    }
  }
  // Thoughts may be counted, and not shown.
  if (ending === 'length') {
    return {
      log: 'the model thought until it had written as much as it may, and said nothing',
      detail: 'The model used its whole output limit for reasoning. Send a simpler request.',
      isFinal: true,
    }
  }
  if (hasThought) {
    return {
      log: 'the model thought, and said nothing',
      detail: 'The model stopped after reasoning, without an answer.',
    }
  }
  return { log: 'the model said nothing', detail: 'The model stopped without an answer.' }
}
