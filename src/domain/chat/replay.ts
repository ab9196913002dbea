import type { ProblemCode } from '../../../generated/api.ts'
import type { KeptGeneration } from '../../store/store.ts'
import { INTERRUPTED_SEQ } from './event-ids.ts'
import type { AnswerEvent } from './event-log.ts'
import { Problem } from '../problem.ts'

/*
 * The events of a stream, rebuilt from what is stored: the text, where each piece of it ended, and how
 * it ended. They are the same for every reader, on every instance, after every restart
 * (docs/decisions/0010).
 */

/** The events after a number, as far as they are stored, and the end if there is one. */
export function* storedEvents(kept: KeptGeneration, after: number): Generator<AnswerEvent> {
  const { userMessage, message, requestId, pieceEnds, status } = kept
  if (after < 1) {
    const initial = { ...message, content: '', status: 'inProgress' as const }
    yield { seq: 1, type: 'start', userMessage, message: initial, requestId }
  }
  for (let piece = Math.max(0, after - 1); piece < pieceEnds.length; piece += 1) {
    const text = message.content.slice(pieceEnds[piece - 1] ?? 0, pieceEnds[piece])
    yield { seq: piece + 2, type: 'text', text }
  }
  if (status !== 'running') yield storedEnd(kept)
}

/** The number of the end. */
export function endSeqOf({ status, pieceEnds }: KeptGeneration): number {
  return status === 'interrupted' ? INTERRUPTED_SEQ : pieceEnds.length + 2
}

/** Why an interrupted generation ended. */
export function interruptedProblem(): Problem {
  return new Problem('unavailable', { detail: 'The server stopped during the answer.' })
}

function storedEnd(kept: KeptGeneration): AnswerEvent {
  const { message } = kept
  const { usage = { source: 'estimated' as const } } = message
  const problem = storedProblem(kept)
  return { seq: endSeqOf(kept), type: 'end', message, usage, ...(problem && { problem }) }
}

function storedProblem(kept: KeptGeneration): Problem | undefined {
  const { status, problem = 'internal', problemDetail: detail } = kept
  if (status === 'interrupted') return interruptedProblem()
  if (status !== 'failed') return undefined
  return new Problem(problem as ProblemCode, detail === undefined ? {} : { detail })
}
