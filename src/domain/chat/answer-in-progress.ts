/*
 *            first piece, or open()               end stored or given up
 *   pending ────────────────────────► streaming ────────────────────────► ended
 *      │                                                                    ▲
 *      ├── end given up ────────────────────────────────────────────────────┘
 *      │
 *      └── engine failed or server stopped, and no reader was told ──► withdrawn
 */
import { EngineFailure, type Engine, type Turn } from '../../engine/engine.ts'
import type { Clock } from '../../ports/clock/clock.ts'
import type { Conversation, Message, Store } from '../../store/store.ts'
import { AnswerBuffer, type Progress } from './answer-buffer.ts'
import { createDeferred } from '../../lib/deferred.ts'
import {
  type Conclusion,
  endingRecord,
  estimateOf,
  storeEnding,
  type StoredAnswer,
} from './ending.ts'
import { EngineHearing, type Heard, problemOf, type StopReason } from './engine-hearing.ts'
import type { EngineReports } from './engine-reports.ts'
import { INTERRUPTED_SEQ } from './event-ids.ts'
import { type AnswerEvent, EventLog } from './event-log.ts'
import type { PendingWrites } from './pending-writes.ts'
import { Problem } from '../problem.ts'
import { interruptedProblem } from './replay.ts'

type State = 'pending' | 'streaming' | 'ended' | 'withdrawn'

const NEXT: Record<State, readonly State[]> = {
  pending: ['streaming', 'ended', 'withdrawn'],
  streaming: ['ended'],
  ended: [],
  withdrawn: [],
}

/** How an answer ended: with a message that is stored, or with nothing but a problem. */
export type Outcome = StoredAnswer | { problem: Problem }

/** A generation whose row is written. */
export type Started = {
  id: string
  /** Of the call that started it. */
  requestId: string
  ownerId: string
  conversation: Conversation
  userMessage: Message
  assistantMessage: Message
}

type Deps = {
  store: Store
  engine: Engine
  clock: Clock
  pendingWrites: PendingWrites
  reports: EngineReports
}

/**
 * One answer in the making. It belongs to the server: it goes on whether or not anyone reads. Its end
 * is stored before any reader is told. Its events end with exactly one terminal event.
 */
export class AnswerInProgress {
  readonly id: string
  readonly ownerId: string
  readonly conversationId: string
  readonly userMessage: Message
  /** Resolves when there is something to stream; rejects when the answer is withdrawn. */
  readonly opened: Promise<void>
  /** Never rejects. */
  readonly ended: Promise<Outcome>
  readonly #deps: Deps
  readonly #started: Started
  readonly #log = new EventLog()
  readonly #buffer = new AnswerBuffer()
  readonly #hearing: EngineHearing
  readonly #opened = createDeferred<undefined>()
  readonly #ended = createDeferred<Outcome>()
  #state: State = 'pending'

  constructor(deps: Deps, started: Started) {
    this.#deps = deps
    this.#started = started
    this.#hearing = new EngineHearing(deps.engine)
    this.id = started.id
    this.ownerId = started.ownerId
    this.conversationId = started.conversation.id
    this.userMessage = started.userMessage
    this.opened = this.#opened.promise
    this.ended = this.#ended.promise
    // A rejection that no caller awaits must not end the process.
    this.opened.catch(() => undefined)
  }

  /** The events after a number, as they come. */
  read(gone: AbortSignal, after?: number): AsyncIterable<AnswerEvent> {
    return this.#log.read(gone, after)
  }

  /** Tells readers the start, before the engine has said anything: the answer can then only be a stream. */
  open(): void {
    if (this.#state !== 'pending') return
    this.#enter('streaming')
    const { userMessage, assistantMessage: message, requestId } = this.#started
    this.#log.append({ type: 'start', userMessage, message, requestId })
    this.#opened.resolve(undefined)
  }

  /** Asks the engine and sees the answer through to its end. Never rejects. */
  async run(turn: Turn): Promise<void> {
    try {
      const heard = await this.#hearing.hear(turn, (piece) => this.#take(piece))
      await this.#conclude(turn, heard)
    } catch (error) {
      this.#deps.reports.mistake(error)
      this.#giveUp(error)
    }
  }

  /** Ends the answer before the engine is asked. Never rejects. */
  async refuse(error: unknown): Promise<void> {
    this.#deps.reports.mistake(error)
    if (this.#state !== 'pending') {
      this.#giveUp(error)
      return
    }
    const problem = new Problem('unavailable', { cause: error })
    await this.#withdraw(problem).catch((cause: unknown) => {
      this.#giveUp(cause)
    })
  }

  /** Stops the engine, unless it is done; the text so far is stored. */
  stop(reason: StopReason): void {
    this.#hearing.stop(reason)
  }

  /** The text, if there is more of it than was saved: what a crash must not lose. */
  unsaved(): Progress | undefined {
    return this.#buffer.unsaved()
  }

  noteSaved(progress: Progress): void {
    this.#buffer.noteSaved(progress)
  }

  #enter(state: State): void {
    if (!NEXT[this.#state].includes(state)) {
      throw new Error(`An answer cannot go from ${this.#state} to ${state}`)
    }
    this.#state = state
  }

  /** @returns whether there is room for more */
  #take(piece: string): boolean {
    this.open()
    const text = this.#buffer.add(piece)
    if (text !== '') this.#log.append({ type: 'text', text })
    return !this.#buffer.isFull
  }

  async #conclude(turn: Turn, heard: Heard): Promise<void> {
    this.#report(heard)
    if ('said' in heard) await this.#finish(turn, { status: 'completed', said: heard.said })
    else if (heard.stopReason === 'cancelled') await this.#finish(turn, { status: 'cancelled' })
    else await this.#fail(turn, heard.stopReason ? serverStopped() : problemOf(heard.error))
  }

  /** Tells the operator. */
  #report(heard: Heard): void {
    const { reports } = this.#deps
    const { requestId } = this.#started
    if ('said' in heard) {
      if (heard.said.remark !== undefined) reports.remark(requestId, heard.said.remark)
      return
    }
    if (heard.stopReason === 'cancelled') return
    if (heard.error instanceof EngineFailure) reports.failure(requestId, heard.error)
    else if (!heard.stopReason) reports.mistake(heard.error)
  }

  async #fail(turn: Turn, problem: Problem): Promise<void> {
    if (this.#state === 'pending') await this.#withdraw(problem)
    else await this.#finish(turn, { status: 'failed', problem })
  }

  /** Stores the end, then tells it. */
  async #finish(turn: Turn, conclusion: Conclusion): Promise<void> {
    const { store, engine, clock, pendingWrites, reports } = this.#deps
    const { id, ownerId, assistantMessage } = this.#started
    const estimate = () => estimateOf(engine, turn, this.#buffer.text)
    const generation = { id, ownerId, turn, buffer: this.#buffer }
    const ending = endingRecord(generation, conclusion, { estimate, now: clock.now() })
    const onMistake = (error: unknown) => {
      reports.mistake(error)
    }
    const writing = { store, pendingWrites, onMistake }
    const stored = await storeEnding(writing, assistantMessage, ending, estimate)
    this.open()
    this.#enter('ended')
    this.#tellStored(stored, conclusion)
    this.#ended.resolve(stored)
  }

  #tellStored(stored: StoredAnswer, conclusion: Conclusion): void {
    const end = { type: 'end' as const, ...stored }
    // Another instance took this one for dead: what is stored ends elsewhere than what was sent.
    if (stored.message.status === 'interrupted') {
      this.#log.append({ ...end, problem: interruptedProblem() }, INTERRUPTED_SEQ)
    } else if (conclusion.status !== 'failed') this.#log.append(end)
    else this.#log.append({ ...end, problem: conclusion.problem })
  }

  /** Removes the generation, then tells why. @throws when it cannot be removed */
  async #withdraw(problem: Problem): Promise<void> {
    // From here on the answer cannot open: a reader would be told of messages that are removed.
    this.#enter('withdrawn')
    const { store, pendingWrites } = this.#deps
    const undo = () => store.generations.undo({ generationId: this.id })
    // Callers do not wait for an outage to end; the conversation stays busy until then.
    const whenLong = () => {
      this.#tellProblem(new Problem('unavailable'))
    }
    await pendingWrites.persist(undo, { bytes: 0, whenLong })
    this.#tellProblem(problem)
    this.#ended.resolve({ problem })
  }

  /** Ends without storing the end: the lease lapses, and the generation becomes interrupted. */
  #giveUp(error: unknown): void {
    const problem = new Problem('unavailable', { cause: error })
    if (NEXT[this.#state].includes('ended')) this.#enter('ended')
    this.#tellProblem(problem, INTERRUPTED_SEQ)
    this.#ended.resolve({ problem })
  }

  /** Tells the caller who waits for the start, and readers who follow already. Only the first counts. */
  #tellProblem(problem: Problem, seq?: number): void {
    this.#opened.reject(problem)
    this.#log.append({ type: 'end', problem }, seq)
  }
}

function serverStopped(): Problem {
  return new Problem('unavailable', { detail: 'The server shut down.' })
}
