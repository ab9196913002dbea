import {
  EngineFailure,
  type Engine,
  type EngineEnd,
  type TokenUsage,
  type Turn,
} from '../../engine/engine.ts'
import { estimateUsage } from '../../engine/tokens.ts'
import type { Clock } from '../../ports/clock/clock.ts'
import type { Conversation, Message, Store } from '../../store/store.ts'
import { AnswerText } from './answer-text.ts'
import { createDeferred } from '../../lib/deferred.ts'
import { BROKEN_OFF_SEQ } from './event-ids.ts'
import { createEventLog } from './event-log.ts'
import { type Kept, keepEnding } from './kept-ending.ts'
import { Problem } from '../problem.ts'
import type { Unwritten } from './unwritten.ts'

/** Why a generation was stopped from outside. */
export type StopReason = 'cancelled' | 'shutdown'

export type GenerationRun = ReturnType<typeof createGenerationRun>

/** How a generation ended: with a message that is kept, or with nothing but a problem. */
export type Outcome = Kept | { problem: Problem }

/** A generation whose row is written. */
export type Started = {
  id: string
  /** Of the call that asked for it. */
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
  unwritten: Unwritten
  onMistake: (error: unknown) => void
  onEngineFailure: (failure: EngineFailure) => void
  onEngineRemark: (remark: string) => void
}

/**
 * One answer in the making. It belongs to the server: it goes on whether or not anyone reads, and
 * its end is written before it is said. Exactly one terminal event ends its log.
 */
export function createGenerationRun(deps: Deps, started: Started) {
  const { store, clock } = deps
  const { id, requestId, assistantMessage } = started
  const log = createEventLog()
  const stopping = new AbortController()
  const begun = createDeferred<undefined>()
  const ended = createDeferred<Outcome>()
  const answer = new AnswerText()
  let hasBegun = false
  let isTakenBack = false
  let isEngineDone = false
  const pieceEnds: number[] = []
  let savedLength = 0
  // Whoever waits for it hears of a failure; nobody has to.
  begun.promise.catch(() => undefined)

  const begin = () => {
    if (hasBegun || isTakenBack) return
    hasBegun = true
    const { userMessage } = started
    log.append({ type: 'start', userMessage, message: assistantMessage, requestId })
    begun.resolve(undefined)
  }

  const consume = async (turn: Turn): Promise<EngineEnd> => {
    for await (const part of deps.engine.answer(turn, stopping.signal)) {
      if (part.type === 'end') {
        if (part.remark !== undefined) deps.onEngineRemark(part.remark)
        return part
      }
      const text = answer.add(part.text)
      begin()
      if (text !== '') {
        log.append({ type: 'piece', text })
        pieceEnds.push(answer.text.length)
      }
      // Leaving the loop closes the engine's stream.
      if (answer.isFull) return { type: 'end', model: deps.engine.model, finishReason: 'length' }
    }
    throw new EngineFailure('upstream-failed', 'The engine ended without an end.')
  }

  const finish = async (end: End): Promise<void> => {
    const { turn, status, problem, said } = end
    const usage = said?.usage ?? estimate(turn)
    const omittedMessages = (turn.omittedMessages ?? 0) + (said?.omittedMessages ?? 0)
    const ending = {
      generationId: id,
      accountId: started.ownerId,
      status,
      messageStatus: status === 'completed' ? ('complete' as const) : status,
      content: answer.text,
      pieceEnds,
      ...(problem && { problem: problem.code }),
      ...(problem?.facts.detail !== undefined && { problemDetail: problem.facts.detail }),
      ...(said && { model: said.model }),
      ...(said?.finishReason && { finishReason: said.finishReason }),
      ...(omittedMessages > 0 && { omittedMessages }),
      usage,
      answered: answer.text === '' ? (0 as const) : (1 as const),
      now: clock.now(),
    }
    const kept = await keepEnding(deps, assistantMessage, ending, () => estimate(turn))
    begin()
    const event = { type: 'end' as const, ...kept }
    // Another instance took this one for dead: what is kept ends elsewhere than what was sent.
    if (kept.message.status === 'interrupted') log.append(event, BROKEN_OFF_SEQ)
    else log.append({ ...event, ...(problem && { problem }) })
    ended.resolve(kept)
  }

  const estimate = (turn: Turn): TokenUsage => {
    // Rules read no system prompt.
    const systemPrompt = deps.engine.ruleBased ? '' : turn.mode.systemPrompt
    return estimateUsage(turn, systemPrompt, answer.text)
  }

  const giveUp = async (problem: Problem): Promise<void> => {
    // From here on it cannot begin any more: what a reader was told would be gone.
    isTakenBack = true
    const tell = (why: Problem) => {
      begun.reject(why)
      // For those who followed it before it had begun.
      log.append({ type: 'end', problem: why })
    }
    const undo = () => store.generations.undo({ generationId: id })
    // Nobody waits for it who has not been told a word; its conversation is free when it is done.
    const whenLong = () => {
      tell(new Problem('unavailable'))
    }
    await deps.unwritten.persist(undo, { bytes: 0, whenLong })
    tell(problem)
    ended.resolve({ problem })
  }

  const fail = async (turn: Turn, error: unknown): Promise<void> => {
    const reason = stopping.signal.reason as StopReason | undefined
    if (reason === 'cancelled') {
      await finish({ turn, status: 'cancelled' })
      return
    }
    const problem = reason === 'shutdown' ? stopped() : problemOf(error)
    if (error instanceof EngineFailure) deps.onEngineFailure(error)
    else if (problem.code === 'internal') deps.onMistake(error)
    if (hasBegun) await finish({ turn, status: 'failed', problem })
    else await giveUp(problem)
  }

  /** It is given up: the row is taken for interrupted later; the reader hears it now. */
  const abandon = (error: unknown): void => {
    const problem = new Problem('unavailable', { cause: error })
    begun.reject(problem)
    log.append({ type: 'end', problem }, BROKEN_OFF_SEQ)
    ended.resolve({ problem })
  }

  return {
    id,
    ownerId: started.ownerId,
    conversationId: started.conversation.id,
    userMessage: started.userMessage,
    log,
    /** Resolves when the engine has given its first piece; rejects when it failed before it. */
    begun: begun.promise,
    ended: ended.promise,

    /** Says that it has begun although the engine has not: an answer can then only be a stream. */
    begin,

    /** Ends it before the engine was asked. Never rejects. */
    async refuse(error: unknown): Promise<void> {
      deps.onMistake(error)
      await giveUp(new Problem('unavailable', { cause: error })).catch(abandon)
    },

    /** Asks the engine and sees the answer through to its end. Never rejects. */
    async run(turn: Turn): Promise<void> {
      try {
        const end = await consume(turn)
          .finally(() => {
            isEngineDone = true
          })
          .catch(async (error: unknown) => {
            await fail(turn, error)
          })
        if (end) await finish({ turn, status: 'completed', said: end })
      } catch (error) {
        deps.onMistake(error)
        abandon(error)
      }
    },

    /** Stops the engine, unless it is done; the text so far is kept. */
    stop(reason: StopReason): void {
      if (!isEngineDone) stopping.abort(reason)
    },

    /** The text, if there is more of it than was saved; for saving what a crash must not lose. */
    unsaved(): { content: string; pieceEnds: readonly number[] } | undefined {
      if (answer.text.length === savedLength) return undefined
      return { content: answer.text, pieceEnds: [...pieceEnds] }
    },

    noteSaved(text: string): void {
      savedLength = text.length
    },
  }
}

type End = {
  turn: Turn
  status: 'completed' | 'cancelled' | 'failed'
  /** By the engine, of an answer that is complete. */
  said?: EngineEnd
  problem?: Problem
}

function stopped(): Problem {
  return new Problem('unavailable', { detail: 'The server shut down.' })
}

function problemOf(error: unknown): Problem {
  if (!(error instanceof EngineFailure)) return new Problem('internal', { cause: error })
  const { code, detail, retryAfterSeconds } = error
  return new Problem(code, {
    cause: error,
    ...(detail !== undefined && { detail }),
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  })
}
