import type { Dependencies } from '../dependencies.ts'
import type { EngineFailure, Turn } from '../../engine/engine.ts'
import type { Message } from '../../store/store.ts'
import { titleOf } from './answer-text.ts'
import type { Call } from '../calls/call.ts'
import { type Answer, createGenerationCare } from './generation-care.ts'
import { relayPieces } from './generation-relay.ts'
import { createGenerationRun, type GenerationRun } from './generation-run.ts'
import { createGenerationStreams, type EventSource } from './generation-streams.ts'
import { createGenerationUpkeep, leaseFrom } from './generation-upkeep.ts'
import { defaultMode, findMode, requireMode } from './modes.ts'
import type { Principal } from '../principal.ts'
import { Problem } from '../problem.ts'
import { createUnwritten } from './unwritten.ts'

/** A stream answers 200 by then, whether or not the engine has begun (CONTRACT: late commit). */
const COMMIT_AFTER_MS = 10_000
/** How many earlier messages the engine is told at the most. */
const HISTORY_MESSAGES = 60

export type Generations = ReturnType<typeof createGenerations>
export type ChatRequest = {
  message: string
  conversationId?: string
  mode?: string
  onDisconnect?: 'continue' | 'cancel'
}
type Deps = Pick<Dependencies, 'store' | 'clock' | 'ids' | 'engine' | 'log' | 'meter' | 'relay'>

/** Answers in the making, of this instance. */
export function createGenerations(deps: Deps) {
  const { store, clock, ids, engine, log, meter, relay } = deps
  const running = new Map<string, GenerationRun>()
  const unwritten = createUnwritten(deps)
  const streams = createGenerationStreams(deps, running)
  const upkeep = createGenerationUpkeep(deps, running)
  const care = createGenerationCare({ ...deps, sweep: upkeep.sweep }, running)

  const onMistake = (error: unknown) => {
    log.error({ err: error }, 'generation failed')
  }

  /** Its message is ours; what caused it may name the address of the engine. */
  const noteFailure = (requestId: string, { code, message }: EngineFailure) => {
    meter.engineFailed(code)
    const facts = { requestId, code, reason: message }
    if (code === 'context-too-long') log.info(facts, 'a message was too long for the engine')
    else if (code === 'upstream-refused') log.warn(facts, 'the engine refused a call')
    else log.warn(facts, 'the engine failed')
  }

  const noteRemark = (requestId: string, reason: string) => {
    log.warn({ requestId, reason }, 'unusual answer from the engine')
  }

  const begin = async (
    generationId: string,
    caller: Principal,
    request: ChatRequest,
    call: Call,
  ) => {
    const { message, conversationId } = request
    if (request.mode !== undefined) requireMode(request.mode, '/mode')
    const start = await store.generations.start({
      generationId,
      requestId: call.requestId,
      conversationId: conversationId ?? ids.next(),
      ownerId: caller.id,
      ...(conversationId === undefined && { newConversation: { title: titleOf(message) } }),
      userMessageId: ids.next(),
      userText: message,
      assistantMessageId: ids.next(),
      ...(request.mode !== undefined && { mode: request.mode }),
      fallbackMode: defaultMode.id,
      now: clock.now(),
      leaseUntil: leaseFrom(clock.now()),
    })
    if (start.outcome === 'missing') throw new Problem('not-found')
    if (start.outcome === 'exists') return undefined
    if (start.outcome === 'busy') {
      const { activeGenerationId } = start
      throw new Problem('conversation-busy', { activeGenerationId, retryAfterSeconds: 1 })
    }
    return start
  }

  /** What the engine is told, up to the user's new message; and how many come before that. */
  const toldUpTo = async ({
    conversationId,
    position,
    content,
  }: Message): Promise<Pick<Turn, 'messages' | 'omittedMessages'>> => {
    const asked = { conversationId, beforePosition: position, limit: HISTORY_MESSAGES }
    const history = position === 1 ? [] : await store.messages.history(asked)
    // What was cut begins with a question: an answer to one that is not there tells nothing.
    const first = history.findIndex(({ role }) => role === 'user')
    const told = first === -1 ? [] : history.slice(first)
    const omittedMessages = (told[0]?.position ?? position) - 1
    const messages = told.map(({ role, content }) => ({ role, content }))
    return { messages: [...messages, { role: 'user', content }], omittedMessages }
  }

  /**
   * Starts a generation. It goes on by itself; the caller only decides how it is read.
   * @returns undefined when an earlier try of the same call has started it
   */
  const start = async (
    caller: Principal,
    request: ChatRequest,
    call: Call,
    delivery: 'stream' | 'whole',
  ): Promise<GenerationRun | undefined> => {
    const id = call.resourceId ?? ids.next()
    const begun = await begin(id, caller, request, call)
    if (!begun) {
      call.isReplay = true
      return undefined
    }
    const { conversation, userMessage, assistantMessage } = begun
    const { requestId } = call
    const started = { id, requestId, conversation, userMessage, assistantMessage }
    const onEngineFailure = (failure: EngineFailure) => {
      noteFailure(requestId, failure)
    }
    const onEngineRemark = (reason: string) => {
      noteRemark(requestId, reason)
    }
    const run = createGenerationRun(
      { store, engine, clock, unwritten, onMistake, onEngineFailure, onEngineRemark },
      { ...started, ownerId: caller.id },
    )
    running.set(run.id, run)
    void run.ended.then(() => running.delete(run.id))
    if (relay) void relayPieces(run, { relay, clock })
    const mode = findMode(assistantMessage.mode ?? conversation.mode) ?? defaultMode
    if (request.onDisconnect === 'cancel') {
      whenAborted(call.hungUp, () => {
        run.stop('cancelled')
      })
    }
    void toldUpTo(userMessage).then((told) => {
      return run.run({ conversationId: conversation.id, mode, ...told, delivery })
    }, run.refuse)
    return run
  }

  return {
    ...streams,
    read: care.read,
    cancel: care.cancel,

    /** Waits for the whole answer. @throws {Problem} when nothing was kept */
    async answer(caller: Principal, request: ChatRequest, call: Call): Promise<Answer> {
      const run = await start(caller, request, call, 'whole')
      if (!run)
        return { generationId: call.resourceId!, ...(await care.kept(caller, call.resourceId!)) }
      await run.begun
      const outcome = await run.ended
      if ('problem' in outcome) throw outcome.problem
      return { generationId: run.id, userMessage: run.userMessage, ...outcome }
    },

    /** Returns once there is something to stream. @throws {Problem} when the engine failed before */
    async stream(caller: Principal, request: ChatRequest, call: Call): Promise<Streamed> {
      const run = await start(caller, request, call, 'stream')
      if (!run) return streams.attach(caller, { id: call.resourceId!, hasBegun: true })
      const waiting = new AbortController()
      void clock.wait(COMMIT_AFTER_MS, waiting.signal).then(run.begin, () => undefined)
      try {
        await run.begun
      } finally {
        waiting.abort()
      }
      const stop = () => {
        run.stop('cancelled')
      }
      return {
        id: run.id,
        events: (gone) => run.log.read(gone),
        ...(request.onDisconnect === 'cancel' && { stop }),
      }
    },

    /** Stops what is being said to an account that goes away. */
    stopOf(accountId: string): void {
      for (const run of running.values()) if (run.ownerId === accountId) run.stop('cancelled')
    },

    /** Stops what is being said in a conversation that goes away. */
    stopIn(conversationId: string): void {
      // A UUID may come in capitals (RFC 9562 4).
      const id = conversationId.toLowerCase()
      for (const run of running.values()) if (run.conversationId === id) run.stop('cancelled')
    },

    /** How many answers are in the making. */
    count: () => running.size,

    interruptAll: upkeep.interruptAll,
    keepUp: upkeep.keepUp,

    /** Resolves when nothing is being generated any more. */
    async settled(): Promise<void> {
      while (running.size > 0) {
        await Promise.all([...running.values()].map((run) => run.ended))
      }
    },

    /** Ends everything that is being generated, keeping the text so far if it can be kept soon. */
    stopAll(): void {
      unwritten.close()
      for (const run of running.values()) run.stop('shutdown')
    },
  }
}

/** A stream to be read; `stop` ends the generation, where its caller wanted that to follow. */
export type Streamed = { id: string; events: EventSource; stop?: () => void }

function whenAborted(signal: AbortSignal, run: () => void): void {
  if (signal.aborted) run()
  else signal.addEventListener('abort', run, { once: true })
}
