import type { Turn, TurnMessage } from '../../engine.ts'
import { estimateTokens } from '../../tokens.ts'
import type { Refusal } from '../refusals/refusal.ts'
import type { CompletionReader } from '../response/completion-reader.ts'
import { completionRequest, partsSent } from './completion-request.ts'
import { dropOldest, fittingShare, statedTokens } from './context-trimming.ts'
import type { LearnedShapes } from './learned-shapes.ts'
import type { ListedModel } from './listed-model.ts'
import { refusedParts, type RequestShape, withoutPart } from './request-shape.ts'

/** The last of these cuts leaves only the newest message. */
const MOST_CUTS = 4
/**
 * If a larger share of the context is reserved for the answer, the length parameter is at fault.
 */
const MOST_FOR_ANSWER = 0.75

/** What a request is changed by. */
export interface RequestDeps {
  readonly shapes: LearnedShapes
  /** The model that the operator has named; undefined where the upstream's list decides. */
  readonly named: string | undefined
  readonly listed: ListedModel
}

/** The request that the upstream accepted, and the beginning of its answer. */
export interface AcceptedRequest {
  readonly chunks: CompletionReader
  readonly model: string
  /** The turn without the messages that were dropped. */
  readonly turn: Turn
  readonly omittedMessages: number
  /** How the request had to be changed, beyond what was known of the model. */
  readonly changes: Partial<RequestShape>
}

/** The request of one call, which changes from refusal to refusal. */
export class NegotiatedRequest {
  readonly #turn: Turn
  readonly #deps: RequestDeps
  readonly #refusedShapes: RequestShape[] = []
  #model: string
  #changes: Partial<RequestShape> = {}
  /** For this call only: another may have room for the answer that this one has not. */
  #withoutLength = false
  #messages: readonly TurnMessage[]
  #cuts = 0
  #isListedAgain = false

  constructor(turn: Turn, model: string, deps: RequestDeps) {
    this.#turn = turn
    this.#deps = deps
    this.#model = model
    this.#messages = turn.messages
  }

  body() {
    return completionRequest(this.#trimmedTurn, this.#model, this.#shape)
  }

  accepted(chunks: CompletionReader): AcceptedRequest {
    const omittedMessages = this.#turn.messages.length - this.#messages.length
    const [model, turn, changes] = [this.#model, this.#trimmedTurn, this.#changes]
    return { chunks, model, turn, omittedMessages, changes }
  }

  /** Changes what was refused. @returns whether there was anything to change */
  async change(refusal: Refusal, signal: AbortSignal): Promise<boolean> {
    if (refusal.kind === 'too-long') return this.#shorten(refusal)
    if (refusal.kind === 'unknown-model') return this.#listAgain(signal)
    return refusal.kind === 'request' && this.#reshape(refusal)
  }

  get #shape(): RequestShape {
    const shape = { ...this.#deps.shapes.of(this.#model), ...this.#changes }
    return this.#withoutLength ? { ...shape, lengthParameter: 'none' } : shape
  }

  get #trimmedTurn(): Turn {
    return { ...this.#turn, messages: this.#messages }
  }

  #reshape(refusal: Refusal): boolean {
    const shape = this.#shape
    const parts = refusedParts(refusal, partsSent(this.#turn, shape))
    const before = this.#refusedShapes
    const changes = parts.map((part) => withoutPart(part, shape, { refusal, before }))
    this.#changes = Object.assign({ ...this.#changes }, ...changes) as Partial<RequestShape>
    this.#refusedShapes.push(shape)
    return parts.length > 0
  }

  #shorten({ body }: Refusal): boolean {
    const hasLength = this.#shape.lengthParameter !== 'none'
    const reserved = hasLength ? this.#turn.mode.maxOutputTokens : 0
    const { limit } = statedTokens(body)
    if (limit !== undefined && reserved > limit * MOST_FOR_ANSWER) {
      this.#changes = { ...this.#changes, lengthParameter: 'none' }
      return true
    }
    if (this.#messages.length > 1) {
      this.#trim(fittingShare(body, reserved))
      return true
    }
    // The last thing to give up is the room for the answer, where the limit is one of tokens.
    this.#withoutLength = true
    return hasLength && /token/i.test(body.text)
  }

  #trim(share: number): void {
    this.#cuts += 1
    const prompt = estimateTokens(this.#turn.mode.systemPrompt)
    const sent = this.#messages.reduce((sum, one) => sum + estimateTokens(one.content), prompt)
    const room = this.#cuts === MOST_CUTS ? 0 : sent * share - prompt
    this.#messages = dropOldest(this.#messages, room)
  }

  async #listAgain(signal: AbortSignal): Promise<boolean> {
    const { named, listed } = this.#deps
    if (named !== undefined || this.#isListedAgain) return false
    this.#isListedAgain = true
    const missing = this.#model
    listed.forget(missing)
    this.#model = await listed.find(signal)
    this.#changes = {}
    return this.#model !== missing
  }
}
