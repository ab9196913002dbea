import type { Dependencies } from '../dependencies.ts'
import type { Start } from '../../store/store.ts'
import { AnswerInProgress } from './answer-in-progress.ts'
import type { AnswersInProgress } from './answers-in-progress.ts'
import type { Call } from '../calls/call.ts'
import { EngineReports } from './engine-reports.ts'
import { readTurn } from './engine-turn.ts'
import { leaseFrom } from './leases.ts'
import { defaultMode, requireMode } from './modes.ts'
import type { PendingWrites } from './pending-writes.ts'
import type { Principal } from '../access/principal.ts'
import { Problem } from '../problem.ts'
import { relayPieces } from './relay.ts'
import { titleOf } from '../conversations/titles.ts'

export type ChatRequest = {
  message: string
  conversationId?: string
  mode?: string
  onDisconnect?: 'continue' | 'cancel'
}

/** The call that asks for an answer. */
export type ChatCall = Pick<Call, 'requestId' | 'resourceId' | 'hungUp'>

type Deps = Pick<Dependencies, 'store' | 'clock' | 'ids' | 'engine' | 'log' | 'meter' | 'relay'> & {
  pendingWrites: PendingWrites
}
type StartedRow = Extract<Start, { outcome: 'started' }>

/** Starts generations. */
export class Starting {
  readonly #deps: Deps
  readonly #answers: AnswersInProgress
  readonly #reports: EngineReports

  constructor(deps: Deps, answers: AnswersInProgress) {
    this.#deps = deps
    this.#answers = answers
    this.#reports = new EngineReports(deps)
  }

  /**
   * Starts a generation, which then goes on by itself.
   * @param delivery how the caller reads the answer
   * @returns undefined when an earlier attempt of the same call has started it
   * @throws {Problem} not-found, conversation-busy; invalid-request for an unknown mode
   */
  async start(
    caller: Principal,
    request: ChatRequest,
    call: ChatCall,
    delivery: 'stream' | 'whole',
  ): Promise<AnswerInProgress | undefined> {
    const id = call.resourceId ?? this.#deps.ids.next()
    const row = await this.#insert(id, caller, request, call.requestId)
    if (!row) return undefined
    const { store, engine, clock, pendingWrites, relay } = this.#deps
    const answer = new AnswerInProgress(
      { store, engine, clock, pendingWrites, reports: this.#reports },
      { ...row, id, requestId: call.requestId, ownerId: caller.id },
    )
    this.#answers.add(answer)
    if (relay) void relayPieces(answer, { relay, clock })
    if (request.onDisconnect === 'cancel') stopWhenAborted(answer, call.hungUp)
    void readTurn(store, row, delivery).then(
      (turn) => answer.run(turn),
      (error: unknown) => answer.refuse(error),
    )
    return answer
  }

  /** Writes the user's message, an empty answer and the running generation. */
  async #insert(
    generationId: string,
    caller: Principal,
    { message, conversationId, mode }: ChatRequest,
    requestId: string,
  ): Promise<StartedRow | undefined> {
    if (mode !== undefined) requireMode(mode, '/mode')
    const { store, clock, ids } = this.#deps
    const start = await store.generations.start({
      generationId,
      requestId,
      conversationId: conversationId ?? ids.next(),
      ownerId: caller.id,
      ...(conversationId === undefined && { newConversation: { title: titleOf(message) } }),
      userMessageId: ids.next(),
      userText: message,
      assistantMessageId: ids.next(),
      ...(mode !== undefined && { mode }),
      fallbackMode: defaultMode.id,
      now: clock.now(),
      leaseUntil: leaseFrom(clock.now()),
    })
    return requireStarted(start)
  }
}

/** @returns undefined when the generation exists already */
function requireStarted(start: Start): StartedRow | undefined {
  if (start.outcome === 'missing') throw new Problem('not-found')
  if (start.outcome === 'exists') return undefined
  if (start.outcome === 'started') return start
  const { activeGenerationId } = start
  throw new Problem('conversation-busy', { activeGenerationId, retryAfterSeconds: 1 })
}

function stopWhenAborted(answer: AnswerInProgress, signal: AbortSignal): void {
  const stop = () => {
    answer.stop('cancelled')
  }
  if (signal.aborted) stop()
  else signal.addEventListener('abort', stop, { once: true })
}
