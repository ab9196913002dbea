import { EngineFailure, type Engine, type EngineEnd, type Turn } from '../../engine/engine.ts'
import { Problem } from '../problem.ts'

/** Why an answer was stopped from outside: the reason of the signal that its engine is given. */
export type StopReason = 'cancelled' | 'shutdown'

/** What came of asking the engine. */
export type Heard = { said: EngineEnd } | { error: unknown; stopReason: StopReason | undefined }

/**
 * Asks the engine and passes on its text. Never rejects.
 * @param take returns whether there is room for more
 */
export async function hearEngine(
  engine: Engine,
  turn: Turn,
  signal: AbortSignal,
  take: (text: string) => boolean,
): Promise<Heard> {
  try {
    for await (const part of engine.answer(turn, signal)) {
      if (part.type === 'end') return { said: part }
      // Leaving the loop closes the engine's stream.
      if (!take(part.text)) {
        return { said: { type: 'end', model: engine.model, finishReason: 'length' } }
      }
    }
    throw new EngineFailure('upstream-failed', 'The engine ended without an end.')
  } catch (error) {
    // Read here: a stop that comes later does not change what happened.
    return { error, stopReason: signal.reason as StopReason | undefined }
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
