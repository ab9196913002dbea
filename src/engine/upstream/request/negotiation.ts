import { completionRequest, partsSent } from './completion-request.ts'
import type { CompletionReader } from '../response/completion-reader.ts'
import type { Turn, TurnMessage } from '../../engine.ts'
import type { LearnedShapes } from './learned-shapes.ts'
import type { ListedModel } from './listed-model.ts'
import type { Refusal } from '../refusals/refusal.ts'
import { UpstreamRefused } from '../refusals/upstream-refused.ts'
import { refusedParts, type RequestShape, withoutPart } from './request-shape.ts'
import { dropOldest, fittingShare, statedTokens } from './context-trimming.ts'
import { estimateTokens } from '../../tokens.ts'

/** After the last of these cuts nothing is left but the newest message. */
const MOST_CUTS = 4
/** Every kind of change once and every cut, and no more whatever the upstream says. */
const MOST_REPEATS = 10
/** So much of what a model reads is too much for its answer. */
const MOST_FOR_ANSWER = 0.75

export interface NegotiationDeps {
  readonly upstream: {
    openStream(body: unknown, signal: AbortSignal): Promise<CompletionReader>
  }
  readonly shapes: LearnedShapes
  /** The model that the operator named; undefined where the upstream's list decides. */
  readonly named: string | undefined
  readonly listed: ListedModel
}

/** What the upstream took. */
export interface AcceptedRequest {
  readonly chunks: CompletionReader
  readonly model: string
  /** The turn without what was left out. */
  readonly turn: Turn
  readonly omittedMessages: number
  /** How the request had to be changed, beyond what was known of the model. */
  readonly changes: Partial<RequestShape>
}

/**
 * Asks until the upstream takes the request or nothing is left to change about it. A request is only
 * repeated after a refusal, so that no model gets it twice.
 * @throws EngineFailure, and the reason of the signal
 */
export async function negotiate(
  turn: Turn,
  world: NegotiationDeps,
  signal: AbortSignal,
): Promise<AcceptedRequest> {
  const model = world.named ?? (await world.listed.find(signal))
  const asking = new NegotiatedRequest(turn, model, world)
  for (let repeats = 0; ; repeats++) {
    try {
      return asking.taken(await world.upstream.openStream(asking.request(), signal))
    } catch (error) {
      if (!(error instanceof UpstreamRefused) || repeats === MOST_REPEATS) throw error
      if (!(await asking.change(error.refusal, signal))) throw error
    }
  }
}

/** The request of one call, as it changes from refusal to refusal. */
class NegotiatedRequest {
  readonly #turn: Turn
  readonly #world: NegotiationDeps
  readonly #refusedShapes: RequestShape[] = []
  #model: string
  #changes: Partial<RequestShape> = {}
  /** Holds for this call only: another may have room for what this one has not. */
  #withoutLength = false
  #messages: readonly TurnMessage[]
  #cuts = 0
  #isListedAgain = false

  constructor(turn: Turn, model: string, world: NegotiationDeps) {
    this.#turn = turn
    this.#world = world
    this.#model = model
    this.#messages = turn.messages
  }

  request() {
    return completionRequest(this.#cutTurn, this.#model, this.#shape)
  }

  taken(chunks: CompletionReader): AcceptedRequest {
    const omittedMessages = this.#turn.messages.length - this.#messages.length
    const [model, turn, changes] = [this.#model, this.#cutTurn, this.#changes]
    return { chunks, model, turn, omittedMessages, changes }
  }

  /** Changes what was refused. @returns whether there was anything to change */
  async change(refusal: Refusal, signal: AbortSignal): Promise<boolean> {
    if (refusal.kind === 'too-long') return this.#shorten(refusal)
    if (refusal.kind === 'unknown-model') return this.#listAgain(signal)
    return refusal.kind === 'request' && this.#reshape(refusal)
  }

  get #shape(): RequestShape {
    const shape = { ...this.#world.shapes.of(this.#model), ...this.#changes }
    return this.#withoutLength ? { ...shape, lengthParameter: 'none' } : shape
  }

  get #cutTurn(): Turn {
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

  #shorten({ said }: Refusal): boolean {
    const { mode } = this.#turn
    const asksForLength = this.#shape.lengthParameter !== 'none'
    const reserved = asksForLength ? mode.maxOutputTokens : 0
    const { limit } = statedTokens(said)
    if (limit !== undefined && reserved > limit * MOST_FOR_ANSWER) {
      this.#changes = { ...this.#changes, lengthParameter: 'none' }
      return true
    }
    if (this.#messages.length > 1) {
      this.#cut(fittingShare(said, reserved))
      return true
    }
    // The last that can be spared is the room for the answer, where it is tokens that are counted.
    this.#withoutLength = true
    return asksForLength && /token/i.test(said.text)
  }

  #cut(share: number): void {
    this.#cuts += 1
    const prompt = estimateTokens(this.#turn.mode.systemPrompt)
    const given = this.#messages.reduce((sum, one) => sum + estimateTokens(one.content), prompt)
    const room = this.#cuts === MOST_CUTS ? 0 : given * share - prompt
    this.#messages = dropOldest(this.#messages, room)
  }

  async #listAgain(signal: AbortSignal): Promise<boolean> {
    const { named, listed } = this.#world
    if (named !== undefined || this.#isListedAgain) return false
    this.#isListedAgain = true
    const gone = this.#model
    listed.forget(gone)
    this.#model = await listed.find(signal)
    this.#changes = {}
    return this.#model !== gone
  }
}
