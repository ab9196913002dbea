import type { Clock } from '../../ports/clock/clock.ts'
import type { Log } from '../../ports/observability/log.ts'
import { Circuit } from './circuit.ts'
import { readAnswer } from './completion-answer.ts'
import { Deadline } from './deadline.ts'
import type { Engine, EnginePart, Turn } from '../engine.ts'
import { KnownShapes } from './known-shapes.ts'
import { ListedModel } from './listed-model.ts'
import { negotiate, type Taken } from './negotiation.ts'
import { Refused } from './refused.ts'
import { type RequestShape, wordsFor } from './request-shape.ts'
import { Upstream } from './upstream.ts'
import { UpstreamStanding } from './upstream-standing.ts'
import { believedModel } from './upstream-words.ts'

const CHECK_TIMEOUT_MS = 2_000
const CHECK_CACHED_MS = 5_000

/** How a model is asked of which nothing is known and nothing was set. */
const USUAL_SHAPE: RequestShape = {
  temperature: true,
  topP: true,
  lengthParameter: 'max_tokens',
  systemRole: 'system',
  streamUsage: true,
}

export interface OpenAiCompatibleOptions {
  /** The base URL to which `/chat/completions` and `/models` are added. */
  readonly url: string
  readonly key?: string
  /** Without it, the first model that the upstream lists. */
  readonly model?: string
  /** How it is asked at first. */
  readonly shape?: RequestShape
  /** Is told when the upstream is asked otherwise than at first, and when messages are left out. */
  readonly log?: Pick<Log, 'info'>
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
  readonly #shapes: KnownShapes
  readonly #listed: ListedModel
  readonly #standing = new UpstreamStanding()
  #checked: { readonly atMs: number; readonly result: Promise<'up' | 'down'> } | undefined

  constructor(options: OpenAiCompatibleOptions) {
    this.#options = options
    const { clock, random } = options
    this.#upstream = new Upstream(options, { clock, random })
    this.#circuit = new Circuit(clock)
    this.#shapes = new KnownShapes(options.shape ?? USUAL_SHAPE)
    this.#listed = new ListedModel(this.#upstream, options)
  }

  get model(): string {
    return believedModel(this.#options.model ?? this.#listed.known) ?? 'unknown'
  }

  async *answer(turn: Turn, signal: AbortSignal): AsyncGenerator<EnginePart> {
    const { clock, idleTimeoutMs } = this.#options
    const deadline = new Deadline(clock, idleTimeoutMs, signal)
    try {
      const open = () => this.#open(turn, deadline.signal)
      const taken = await deadline.within(() => this.#circuit.run(open))
      const { chunks, omittedMessages } = taken
      const model = believedModel(taken.model) ?? 'unknown'
      for await (const part of readAnswer({ chunks, deadline, clock, turn: taken.turn, model })) {
        const isCut = part.type === 'end' && omittedMessages > 0
        yield isCut ? { ...part, omittedMessages } : part
      }
    } finally {
      deadline.end()
    }
  }

  async check(): Promise<'up' | 'down'> {
    if (this.#circuit.isBroken || this.#standing.last === 'refused') return 'down'
    const nowMs = this.#options.clock.monotonicMs()
    if (!this.#checked || nowMs - this.#checked.atMs >= CHECK_CACHED_MS) {
      this.#checked = { atMs: nowMs, result: this.#checkNow() }
    }
    return this.#checked.result
  }

  async #checkNow(): Promise<'up' | 'down'> {
    const named = this.#options.model !== undefined
    const isUp = await this.#upstream
      .probe(AbortSignal.timeout(CHECK_TIMEOUT_MS))
      .then((status) => this.#standing.isUp(status, named))
      // Whatever keeps it from answering, it is down.
      .catch(() => false)
    return isUp ? 'up' : 'down'
  }

  async #open(turn: Turn, signal: AbortSignal): Promise<Taken> {
    const [upstream, shapes, listed] = [this.#upstream, this.#shapes, this.#listed]
    const world = { upstream, shapes, listed, named: this.#options.model }
    try {
      const taken = await negotiate(turn, world, signal)
      this.#noteTaken(taken)
      return taken
    } catch (error) {
      if (error instanceof Refused) this.#standing.refused(error.refusal.kind)
      throw error
    }
  }

  #noteTaken({ model, changes, omittedMessages }: Taken): void {
    const { log } = this.#options
    this.#standing.taken()
    const shown = believedModel(model)
    const asked = wordsFor(this.#shapes.learn(model, changes))
    if (asked.length > 0) log?.info({ model: shown, asked }, 'requests to the upstream changed')
    if (omittedMessages === 0) return
    log?.info({ model: shown, omittedMessages }, 'the oldest messages did not fit the model')
  }
}
