import { EngineFailure, type Engine, type EngineEnd, type Turn } from '../../engine/engine.ts'
import { Problem } from '../problem.ts'

/** Why an answer was stopped from outside: the reason of the signal that its engine is given. */
export type StopReason = 'cancelled' | 'shutdown'

/** What came of asking the engine. */
export type Heard = { said: EngineEnd } | { error: unknown; stopReason: StopReason | undefined }

/** One question to the engine, which can be stopped before and while the engine answers. */
export class EngineHearing {
  readonly #engine: Engine
  readonly #stopping = new AbortController()
  #isDone = false

  constructor(engine: Engine) {
    this.#engine = engine
  }

  /** An engine that is done is not disturbed, and what came of it does not change. */
  stop(reason: StopReason): void {
    if (!this.#isDone) this.#stopping.abort(reason)
  }

  /**
   * Asks the engine and passes on its text. Never rejects.
   * @param take returns whether there is room for more
   */
  async hear(turn: Turn, take: (text: string) => boolean): Promise<Heard> {
    const { signal } = this.#stopping
    try {
      return { said: await this.#listen(turn, signal, take) }
    } catch (error) {
      return { error, stopReason: signal.reason as StopReason | undefined }
    } finally {
      this.#isDone = true
    }
  }

  async #listen(
    turn: Turn,
    signal: AbortSignal,
    take: (text: string) => boolean,
  ): Promise<EngineEnd> {
    const engine = this.#engine
    for await (const part of engine.answer(turn, signal)) {
      if (part.type === 'end') return part
      // Leaving the loop closes the engine's stream.
      if (!take(part.text)) return { type: 'end', model: engine.model, finishReason: 'length' }
    }
    throw new EngineFailure('upstream-failed', 'The engine ended without an end.')
  }
}

/** What a reader is told of an engine that failed. */
export function problemOf(error: unknown): Problem {
  if (!(error instanceof EngineFailure)) return new Problem('internal', { cause: error })
  const { code, detail, retryAfterSeconds } = error
  return new Problem(code, {
    cause: error,
    ...(detail !== undefined && { detail }),
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  })
}
