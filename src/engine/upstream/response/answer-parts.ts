import type { Clock } from '../../../ports/clock/clock.ts'
import { EngineFailure } from '../../engine.ts'
import type { EnginePart, Turn } from '../../engine.ts'
import type { Deadline } from '../connection/deadline.ts'
import { AnswerAccumulator } from './answer-accumulator.ts'
import type { CompletionChunk } from './completion-chunk.ts'
import type { CompletionReader } from './completion-reader.ts'

/**
 * After the end of an answer only usage and [DONE] follow; some servers send neither and stay open.
 */
const TRAILER_MS = 1_000
/** The longest time for a whole answer: a model that reasons for ever is given up. */
const LONGEST_ANSWER_MS = 30 * 60_000

/** A completion that has been opened, and the limits that it is held to. */
export interface OpenCompletion {
  readonly chunks: CompletionReader
  readonly deadline: Deadline
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly turn: Turn
  /** The name of the model as callers may see it. */
  readonly model: string
}

/**
 * Yields the parts of an answer as its chunks arrive: text, and one end. Closes the connection when
 * the consumer leaves.
 * @throws EngineFailure, and what the deadline aborts with
 */
export async function* readAnswer(completion: OpenCompletion): AsyncGenerator<EnginePart> {
  const { chunks, model, turn } = completion
  const answer = new AnswerAccumulator(model)
  try {
    for await (const chunk of inTime(completion, answer)) {
      const text = answer.add(chunk)
      if (text !== '') yield { type: 'text', text }
    }
  } catch (error) {
    // The answer is complete: a server that then fails or stays open only fails to send its usage.
    if (!(answer.isComplete && error instanceof EngineFailure)) throw error
  } finally {
    chunks.close()
  }
  const rest = answer.flush()
  if (rest !== '') yield { type: 'text', text: rest }
  yield answer.end(turn)
}

/** The chunks, each within the idle timeout and all within the time of an answer. */
async function* inTime(
  { chunks, deadline, clock }: OpenCompletion,
  answer: AnswerAccumulator,
): AsyncGenerator<CompletionChunk> {
  const endMs = clock.monotonicMs() + LONGEST_ANSWER_MS
  for (;;) {
    const chunk = await deadline.within(() => chunks.next())
    if (!chunk) return
    if (clock.monotonicMs() > endMs) throw answerTooLong()
    yield chunk
    if (answer.isComplete) deadline.shortenTo(TRAILER_MS)
  }
}

function answerTooLong(): EngineFailure {
  return new EngineFailure(
    'upstream-timeout',
    `an answer took more than ${LONGEST_ANSWER_MS / 60_000} min`,
  )
}
