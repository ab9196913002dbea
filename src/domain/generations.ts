import type { Dependencies } from '../dependencies.ts'
import type { Message } from '../store/store.ts'
import { titleOf } from './answer-text.ts'
import type { Call } from './call.ts'
import { createGenerationRun, type GenerationRun, type Outcome } from './generation-run.ts'
import { defaultMode, findMode, requireMode } from './modes.ts'
import type { Principal } from './principal.ts'
import { Problem } from './problem.ts'

/** A stream answers 200 by then, whether or not the engine has begun (CONTRACT: late commit). */
const COMMIT_AFTER_MS = 10_000
/** How many earlier messages the engine is told. */
const HISTORY_MESSAGES = 60
/** Text so far is saved, and leases are renewed, so often. */
const SAVE_EVERY_MS = 1_000
/** Without a renewal for so long a generation's instance counts as dead. */
const LEASE_MS = 20_000
/** Abandoned generations are looked for so often. */
const SWEEP_EVERY_MS = 10_000

export type Generations = ReturnType<typeof createGenerations>
export type ChatRequest = {
  message: string
  conversationId?: string
  mode?: string
  onDisconnect?: 'continue' | 'cancel'
}

type Deps = Pick<Dependencies, 'store' | 'clock' | 'ids' | 'engine' | 'log'>

/** Answers in the making, of this instance. */
export function createGenerations(deps: Deps) {
  const { store, clock, ids, engine, log } = deps
  const running = new Map<string, GenerationRun>()
  const leaseUntil = () => new Date(clock.now().getTime() + LEASE_MS)

  const onMistake = (error: unknown) => {
    log.error({ err: error }, 'generation failed')
  }

  const begin = async (generationId: string, caller: Principal, request: ChatRequest) => {
    const { message, conversationId } = request
    if (request.mode !== undefined) requireMode(request.mode, '/mode')
    const start = await store.generations.start({
      generationId,
      conversationId: conversationId ?? ids.next(),
      ownerId: caller.id,
      ...(conversationId === undefined && { newConversation: { title: titleOf(message) } }),
      userMessageId: ids.next(),
      userText: message,
      assistantMessageId: ids.next(),
      ...(request.mode !== undefined && { mode: request.mode }),
      fallbackMode: defaultMode.id,
      now: clock.now(),
      leaseUntil: leaseUntil(),
    })
    if (start.outcome === 'missing') throw new Problem('not-found')
    if (start.outcome === 'busy') {
      const { activeGenerationId } = start
      throw new Problem('conversation-busy', { activeGenerationId, retryAfterSeconds: 1 })
    }
    return start
  }

  const historyBefore = async (userMessage: Message) => {
    if (userMessage.position === 1) return []
    return store.messages.history({
      conversationId: userMessage.conversationId,
      beforePosition: userMessage.position,
      limit: HISTORY_MESSAGES,
    })
  }

  /** Starts a generation. It goes on by itself; the caller only decides how it is read. */
  const start = async (
    caller: Principal,
    request: ChatRequest,
    call: Call,
  ): Promise<GenerationRun> => {
    const id = ids.next()
    const { conversation, userMessage, assistantMessage } = await begin(id, caller, request)
    const run = createGenerationRun(
      { store, engine, clock, onMistake },
      {
        id,
        requestId: call.requestId,
        ownerId: caller.id,
        conversation,
        userMessage,
        assistantMessage,
      },
    )
    running.set(run.id, run)
    void run.ended.then(() => running.delete(run.id))
    const mode = findMode(assistantMessage.mode ?? conversation.mode) ?? defaultMode
    if (request.onDisconnect === 'cancel') {
      whenAborted(call.hungUp, () => {
        run.stop('cancelled')
      })
    }
    void historyBefore(userMessage).then((history) => {
      const messages = [...history, { role: 'user' as const, content: request.message }]
      return run.run({ conversationId: conversation.id, mode, messages })
    }, run.refuse)
    return run
  }

  const saveProgress = async (): Promise<void> => {
    const idle: GenerationRun[] = []
    for (const run of running.values()) {
      const content = run.unsavedText()
      if (content === undefined) idle.push(run)
      // One that cannot be saved must not keep the others from being saved.
      else await saveText(run, content).catch(onMistake)
    }
    if (idle.length > 0) await renewLeases(idle)
  }

  // One that is not running any more was deleted with its conversation, or taken for dead:
  // whatever it writes is not kept.
  const saveText = async (run: GenerationRun, content: string): Promise<void> => {
    const progress = { generationId: run.id, content, leaseUntil: leaseUntil() }
    if (await store.generations.saveProgress(progress)) run.noteSaved(content)
    else run.stop('cancelled')
  }

  const renewLeases = async (runs: readonly GenerationRun[]): Promise<void> => {
    const ids = runs.map(({ id }) => id)
    const renewed = await store.generations.renewLeases({ ids, leaseUntil: leaseUntil() })
    for (const run of runs) if (!renewed.includes(run.id)) run.stop('cancelled')
  }

  const sweep = async (): Promise<void> => {
    const interrupted = await store.generations.interruptAbandoned({
      now: clock.now(),
      all: false,
      // After a sleep of the machine every lease is over: its own answers go on all the same.
      except: [...running.keys()],
    })
    if (interrupted > 0) log.warn({ interrupted }, 'abandoned generations were interrupted')
  }

  return {
    /** Waits for the whole answer. @throws {Problem} when nothing was kept */
    async answer(
      caller: Principal,
      request: ChatRequest,
      call: Call,
    ): Promise<{ run: GenerationRun } & Extract<Outcome, { message: Message }>> {
      const run = await start(caller, request, call)
      const outcome = await run.ended
      if ('problem' in outcome) throw outcome.problem
      return { run, ...outcome }
    },

    /** Returns once there is something to stream. @throws {Problem} when the engine failed before */
    async stream(caller: Principal, request: ChatRequest, call: Call): Promise<GenerationRun> {
      const run = await start(caller, request, call)
      const waiting = new AbortController()
      void clock.wait(COMMIT_AFTER_MS, waiting.signal).then(run.begin, () => undefined)
      try {
        await run.begun
      } finally {
        waiting.abort()
      }
      return run
    },

    /** Stops what is being said in a conversation that goes away. */
    stopIn(conversationId: string): void {
      // A UUID may come in capitals (RFC 9562 4).
      const id = conversationId.toLowerCase()
      for (const run of running.values()) if (run.conversationId === id) run.stop('cancelled')
    },

    /** At the start of an embedded server: whatever was running died with the process before. */
    async interruptAll(): Promise<void> {
      await store.generations.interruptAbandoned({ now: clock.now(), all: true })
    },

    /** Saves progress and looks for abandoned generations until the returned function is called. */
    keepUp(): () => void {
      const stops = [
        clock.every(SAVE_EVERY_MS, saveProgress, onMistake),
        clock.every(SWEEP_EVERY_MS, sweep, onMistake),
      ]
      return () => {
        for (const stop of stops) stop()
      }
    },

    /** Resolves when nothing is being generated any more. */
    async settled(): Promise<void> {
      while (running.size > 0) {
        await Promise.all([...running.values()].map((run) => run.ended))
      }
    },

    /** Ends everything that is being generated, keeping the text so far. */
    stopAll(): void {
      for (const run of running.values()) run.stop('shutdown')
    },
  }
}

function whenAborted(signal: AbortSignal, run: () => void): void {
  if (signal.aborted) run()
  else signal.addEventListener('abort', run, { once: true })
}
