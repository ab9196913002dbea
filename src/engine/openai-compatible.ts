import type { Clock } from '../ports/clock.ts'
import { Circuit } from './circuit.ts'
import { readFirstModel } from './completion.ts'
import { readAnswer } from './completion-answer.ts'
import { completionRequest } from './completion-request.ts'
import { Deadline } from './deadline.ts'
import type { Engine, EnginePart, Turn } from './engine.ts'
import { Upstream } from './upstream.ts'
import { believedModel } from './upstream-words.ts'

const CHECK_TIMEOUT_MS = 2_000
const CHECK_CACHED_MS = 5_000

export interface OpenAiCompatibleOptions {
  /** The base URL to which `/chat/completions` and `/models` are added. */
  readonly url: string
  readonly key?: string
  /** Without it, the first model that the upstream lists. */
  readonly model?: string
  /** The longest time without a chunk, before the first and between two. */
  readonly idleTimeoutMs: number
  /** Waits between retries, and tells how old a check is and how long a circuit is open. */
  readonly clock: Pick<Clock, 'wait' | 'now' | 'monotonicMs'>
  /** The jitter of retries, from 0 to below 1. */
  readonly random: () => number
  /** Default 10 s. */
  readonly connectTimeoutMs?: number
}

/** A language model behind the OpenAI chat-completions API, as most hosted and local servers speak it. */
export class OpenAiCompatibleEngine implements Engine {
  readonly kind = 'openai-compatible'
  readonly ruleBased = false
  readonly #options: OpenAiCompatibleOptions
  readonly #upstream: Upstream
  readonly #circuit: Circuit
  #model: string | undefined
  #checked: { readonly atMs: number; readonly result: Promise<'up' | 'down'> } | undefined

  constructor(options: OpenAiCompatibleOptions) {
    this.#options = options
    this.#model = options.model
    const { clock, random } = options
    this.#upstream = new Upstream(options, { clock, random })
    this.#circuit = new Circuit(clock)
  }

  get model(): string {
    return believedModel(this.#model) ?? 'unknown'
  }

  async *answer(turn: Turn, signal: AbortSignal): AsyncGenerator<EnginePart> {
    const { clock, idleTimeoutMs } = this.#options
    const deadline = new Deadline(clock, idleTimeoutMs, signal)
    try {
      const open = () => this.#open(turn, deadline.signal)
      const chunks = await deadline.within(() => this.#circuit.run(open))
      yield* readAnswer({ chunks, deadline, clock, turn, model: this.model })
    } finally {
      deadline.end()
    }
  }

  async check(): Promise<'up' | 'down'> {
    if (this.#circuit.isBroken) return 'down'
    const nowMs = this.#options.clock.monotonicMs()
    if (!this.#checked || nowMs - this.#checked.atMs >= CHECK_CACHED_MS) {
      this.#checked = { atMs: nowMs, result: this.#checkNow() }
    }
    return this.#checked.result
  }

  async #checkNow(): Promise<'up' | 'down'> {
    const isUp = await this.#upstream
      .isUp(AbortSignal.timeout(CHECK_TIMEOUT_MS))
      // Whatever keeps it from answering, it is down.
      .catch(() => false)
    return isUp ? 'up' : 'down'
  }

  async #open(turn: Turn, signal: AbortSignal) {
    const model = this.#model ?? readFirstModel(await this.#upstream.listModels(signal))
    this.#model = model
    return this.#upstream.openStream(completionRequest(turn, model), signal)
  }
}
