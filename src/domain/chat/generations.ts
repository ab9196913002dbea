import type { Dependencies } from '../dependencies.ts'
import type { TokenUsage } from '../../engine/engine.ts'
import type { Generation, Message } from '../../store/store.ts'
import { found } from '../access/access.ts'
import type { AnswerInProgress } from './answer-in-progress.ts'
import type { AnswerStream } from './answer-stream.ts'
import { AnswersInProgress } from './answers-in-progress.ts'
import type { Call, JoinedGeneration } from '../calls/call.ts'
import { Cancellation } from './cancellation.ts'
import { Leases } from './leases.ts'
import { PendingWrites } from './pending-writes.ts'
import type { Principal } from '../access/principal.ts'
import { Problem } from '../problem.ts'
import { Resumption } from './resumption.ts'
import { type ChatCall, type ChatRequest, Starting } from './starting.ts'

/** A stream replies 200 by then, whether or not the engine has said anything (CONTRACT: late commit). */
const COMMIT_AFTER_MS = 10_000
/** When to retry a call whose answer another instance is making. */
const RETRY_SECONDS = 5

/** A whole answer. */
export type Answer = {
  generationId: string
  userMessage: Message
  message: Message
  usage: TokenUsage
  /** An earlier call under the same name made it. */
  isReplay: boolean
}

type Deps = Pick<Dependencies, 'store' | 'clock' | 'ids' | 'engine' | 'log' | 'meter' | 'relay'>

/** The generations of all instances, as callers ask for them, and the upkeep of this instance's. */
export class Generations {
  readonly #deps: Deps
  readonly #answers = new AnswersInProgress()
  readonly #pendingWrites: PendingWrites
  readonly #leases: Leases
  readonly #starting: Starting
  readonly #resumption: Resumption
  readonly #cancellation: Cancellation

  constructor(deps: Deps) {
    this.#deps = deps
    this.#pendingWrites = new PendingWrites(deps)
    this.#leases = new Leases(deps, this.#answers)
    this.#starting = new Starting({ ...deps, pendingWrites: this.#pendingWrites }, this.#answers)
    this.#resumption = new Resumption(deps, this.#answers)
    this.#cancellation = new Cancellation({ ...deps, leases: this.#leases }, this.#answers)
  }

  /**
   * Starts a generation and waits for the whole answer.
   * @throws {Problem} of the start; of the engine when nothing is stored
   */
  async answer(caller: Principal, request: ChatRequest, call: ChatCall): Promise<Answer> {
    const answer = await this.#starting.start(caller, request, call, 'whole')
    if (!answer) return this.#replayAnswer(caller, call.resourceId!)
    await answer.opened
    const outcome = await answer.ended
    if ('problem' in outcome) throw outcome.problem
    const { id: generationId, userMessage } = answer
    return { generationId, userMessage, ...outcome, isReplay: false }
  }

  /**
   * Starts a generation, or joins the one of an earlier call under the same name. Returns once there
   * is something to stream.
   * @throws {Problem} of the start; of the engine when it fails before that
   */
  async stream(
    caller: Principal,
    request: ChatRequest,
    call: ChatCall & Pick<Call, 'joins'>,
  ): Promise<AnswerStream> {
    if (call.joins) return this.attach(caller, call.joins)
    const answer = await this.#starting.start(caller, request, call, 'stream')
    if (!answer) return this.attach(caller, { id: call.resourceId!, hasBegun: true })
    await this.#opened(answer)
    const stop = () => {
      answer.stop('cancelled')
    }
    return {
      generationId: answer.id,
      events: (gone) => answer.read(gone),
      ...(request.onDisconnect === 'cancel' && { stop }),
      isReplay: false,
    }
  }

  /** See Resumption. */
  attach(caller: Principal, joined: JoinedGeneration): Promise<AnswerStream> {
    return this.#resumption.attach(caller, joined)
  }

  /** See Resumption. */
  resume(
    caller: Principal,
    generationId: string,
    lastEventId: string | undefined,
  ): Promise<AnswerStream | undefined> {
    return this.#resumption.resume(caller, generationId, lastEventId)
  }

  /** @throws {Problem} not-found */
  async read(caller: Principal, id: string): Promise<Generation> {
    return found(await this.#deps.store.generations.find({ id, ownerId: caller.id }))
  }

  /** See Cancellation. */
  cancel(caller: Principal, generationId: string): Promise<Message> {
    return this.#cancellation.cancel(caller, generationId)
  }

  /** See Cancellation. */
  stopOf(accountId: string): void {
    this.#cancellation.stopOf(accountId)
  }

  /** See Cancellation. */
  stopIn(conversationId: string): void {
    this.#cancellation.stopIn(conversationId)
  }

  /** How many answers this instance is making. */
  count(): number {
    return this.#answers.count
  }

  /** See Leases. */
  interruptAll(): Promise<void> {
    return this.#leases.interruptAll()
  }

  /** See Leases. */
  keepUp(): () => void {
    return this.#leases.keepUp()
  }

  /** Resolves when this instance makes no answer any more. */
  settled(): Promise<void> {
    return this.#answers.settled()
  }

  /** The server shuts down: ends every answer, and stores its text so far if that succeeds soon. */
  stopAll(): void {
    this.#pendingWrites.close()
    for (const answer of this.#answers.all()) answer.stop('shutdown')
  }

  /** Waits for the first piece; when it is late, opens the stream without one. */
  async #opened(answer: AnswerInProgress): Promise<void> {
    const waiting = new AbortController()
    const openLate = () => {
      answer.open()
    }
    void this.#deps.clock.wait(COMMIT_AFTER_MS, waiting.signal).then(openLate, () => undefined)
    try {
      await answer.opened
    } finally {
      waiting.abort()
    }
  }

  /**
   * What an earlier attempt of the same call has made, as it is: the engine is never asked twice.
   * @throws {Problem} not-found; idempotency-in-progress while it is being made
   */
  async #replayAnswer(caller: Principal, id: string): Promise<Answer> {
    const find = async () =>
      found(await this.#deps.store.generations.findKept({ id, ownerId: caller.id }))
    await this.#leases.sweepIfLapsed(await find())
    const { status, userMessage, message } = await find()
    if (status === 'running') {
      throw new Problem('idempotency-in-progress', { retryAfterSeconds: RETRY_SECONDS })
    }
    const usage = message.usage ?? { source: 'estimated' }
    return { generationId: id, userMessage, message, usage, isReplay: true }
  }
}
