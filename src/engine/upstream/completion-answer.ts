import type { Clock } from '../../ports/clock/clock.ts'
import type { CompletionChunk } from './completion.ts'
import type { CompletionReader } from './completion-reader.ts'
import type { Deadline } from './deadline.ts'
import { EngineFailure } from '../engine.ts'
import type { EnginePart, Turn } from '../engine.ts'
import { HeardAnswer } from './heard-answer.ts'

/** After the end of the answer only usage and [DONE] are missing; some servers send neither and stay open. */
const AFTERWORD_MS = 1_000
/** All of an answer, however steadily it comes: a model that thinks for ever is given up. */
const LONGEST_ANSWER_MS = 30 * 60_000

/** An answer that has begun, and what it is held to. */
export interface Answering {
  readonly chunks: CompletionReader
  readonly deadline: Deadline
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly turn: Turn
  /** As it may be shown. */
  readonly model: string
}

/**
 * The parts of the answer as its chunks come: text, and one end. Hangs up when it is left.
 * @throws EngineFailure, and what the deadline aborts with
 */
export async function* readAnswer(answering: Answering): AsyncGenerator<EnginePart> {
  const { chunks, model, turn } = answering
  const heard = new HeardAnswer(model)
  try {
    for await (const chunk of inTime(answering, heard)) {
      const text = heard.hear(chunk)
      if (text !== '') yield { type: 'text', text }
    }
  } catch (error) {
    // The answer is whole; a server that then breaks or stays open only keeps its usage to itself.
    if (!(heard.isWhole && error instanceof EngineFailure)) throw error
  } finally {
    chunks.close()
  }
  const rest = heard.rest()
  if (rest !== '') yield { type: 'text', text: rest }
  yield heard.end(turn)
}

/** The chunks, each within the time without one and all within the time of an answer. */
async function* inTime(answering: Answering, heard: HeardAnswer): AsyncGenerator<CompletionChunk> {
  const { chunks, deadline, clock } = answering
  const endMs = clock.monotonicMs() + LONGEST_ANSWER_MS
  for (;;) {
    const chunk = await deadline.within(() => chunks.next())
    if (!chunk) return
    if (clock.monotonicMs() > endMs) throw endless()
    yield chunk
    if (heard.isWhole) deadline.shortenTo(AFTERWORD_MS)
  }
}

function endless(): EngineFailure {
  return new EngineFailure(
    'upstream-timeout',
    `an answer took more than ${LONGEST_ANSWER_MS / 60_000} min`,
  )
}
