import type { Clock } from '../../ports/clock/clock.ts'
import type { Log } from '../../ports/observability/log.ts'
import type { Engine, EnginePart, Turn } from '../engine.ts'
import { CircuitBreaker } from './connection/circuit-breaker.ts'
import { Deadline } from './connection/deadline.ts'
import { UpstreamClient } from './connection/upstream-client.ts'
import { UpstreamHealth } from './connection/upstream-health.ts'
import { displayModel } from './model-name.ts'
import { UpstreamRefused } from './refusals/upstream-refused.ts'
import { LearnedShapes } from './request/learned-shapes.ts'
import { ListedModel } from './request/listed-model.ts'
import type { AcceptedRequest } from './request/negotiated-request.ts'
import { negotiate } from './request/negotiation.ts'
import { describeChanges, type RequestShape } from './request/request-shape.ts'
import { readAnswer } from './response/answer-parts.ts'

const CHECK_TIMEOUT_MS = 2_000
const CHECK_CACHED_MS = 5_000

/** The shape for a model of which nothing is known, unless the settings say otherwise. */
const INITIAL_SHAPE: RequestShape = {
  temperature: true,
  topP: true,
  lengthParameter: 'max_tokens',
  systemRole: 'system',
  streamUsage: true,
}

export interface OpenAiCompatibleOptions {
  /** The base URL, to which `/chat/completions` and `/models` are appended. */
  readonly url: string
  readonly key?: string
  /** Default: the first model that the upstream lists. */
  readonly model?: string
  /** The shape of requests until the upstream refuses it. */
  readonly shape?: RequestShape
  /** Gets an entry when the shape of requests changes, and when messages are dropped. */
  readonly log?: Pick<Log, 'info'>
  /** The longest time without a chunk, before the first one and between two. */
  readonly idleTimeoutMs: number
  /** Times retries, checks and the circuit breaker. */
  readonly clock: Pick<Clock, 'wait' | 'now' | 'monotonicMs'>
  /** The jitter of retries, from 0 to below 1. */
  readonly random: () => number
  /** Default: 10 s. */
  readonly connectTimeoutMs?: number
}

/** A language model behind the OpenAI chat-completions API, which most model servers offer. */
export class OpenAiCompatibleEngine implements Engine {
  readonly kind = 'openai-compatible'
  readonly ruleBased = false
  readonly #options: OpenAiCompatibleOptions
  readonly #upstream: UpstreamClient
  readonly #circuit: CircuitBreaker
  readonly #shapes: LearnedShapes
  readonly #listed: ListedModel
  readonly #health = new UpstreamHealth()
  #checked: { readonly atMs: number; readonly result: Promise<'up' | 'down'> } | undefined

  constructor(options: OpenAiCompatibleOptions) {
    this.#options = options
    const { clock, random } = options
    this.#upstream = new UpstreamClient(options, { clock, random })
    this.#circuit = new CircuitBreaker(clock)
    this.#shapes = new LearnedShapes(options.shape ?? INITIAL_SHAPE)
    this.#listed = new ListedModel(this.#upstream, options)
  }

  get model(): string {
    return displayModel(this.#options.model ?? this.#listed.known) ?? 'unknown'
  }

  async *answer(turn: Turn, signal: AbortSignal): AsyncGenerator<EnginePart> {
    const { clock, idleTimeoutMs } = this.#options
    const deadline = new Deadline(clock, idleTimeoutMs, signal)
    try {
      const open = () => this.#open(turn, deadline.signal)
      const accepted = await deadline.within(() => this.#circuit.run(open))
      const { chunks, omittedMessages } = accepted
      const model = displayModel(accepted.model) ?? 'unknown'
      const completion = { chunks, deadline, clock, turn: accepted.turn, model }
      for await (const part of readAnswer(completion)) {
        const isTrimmed = part.type === 'end' && omittedMessages > 0
        yield isTrimmed ? { ...part, omittedMessages } : part
      }
    } finally {
      deadline.end()
    }
  }

  async check(): Promise<'up' | 'down'> {
    if (this.#circuit.isBroken || this.#health.last === 'refused') return 'down'
    const nowMs = this.#options.clock.monotonicMs()
    if (!this.#checked || nowMs - this.#checked.atMs >= CHECK_CACHED_MS) {
      this.#checked = { atMs: nowMs, result: this.#checkNow() }
    }
    return this.#checked.result
  }

  async #checkNow(): Promise<'up' | 'down'> {
    const isNamed = this.#options.model !== undefined
    const isUp = await this.#upstream
      .probe(AbortSignal.timeout(CHECK_TIMEOUT_MS))
      .then((status) => this.#health.isUp(status, isNamed))
      // Any failure means down.
      .catch(() => false)
    return isUp ? 'up' : 'down'
  }

  async #open(turn: Turn, signal: AbortSignal): Promise<AcceptedRequest> {
    const [upstream, shapes, listed] = [this.#upstream, this.#shapes, this.#listed]
    const deps = { upstream, shapes, listed, named: this.#options.model }
    try {
      const accepted = await negotiate(turn, deps, signal)
      this.#recordAccepted(accepted)
      return accepted
    } catch (error) {
      if (error instanceof UpstreamRefused) this.#health.recordRefused(error.refusal.kind)
      throw error
    }
  }

  #recordAccepted({ model, changes, omittedMessages }: AcceptedRequest): void {
    const { log } = this.#options
    this.#health.recordAccepted()
    const shown = displayModel(model)
    const asked = describeChanges(this.#shapes.learn(model, changes))
    if (asked.length > 0) log?.info({ model: shown, asked }, 'requests to the upstream changed')
    if (omittedMessages === 0) return
    log?.info({ model: shown, omittedMessages }, 'the oldest messages did not fit the model')
  }
}
