import type { Clock } from '../ports/clock.ts'
import { type CompletionChunk, failed } from './completion.ts'
import type { CompletionReader } from './completion-reader.ts'
import type { Deadline } from './deadline.ts'
import { EngineFailure } from './engine.ts'
import type { EnginePart, TokenUsage, Turn } from './engine.ts'
import { estimateUsage } from './tokens.ts'
import { WholeText } from './whole-text.ts'

/** After the finish reason only usage and [DONE] are missing; some servers send neither and stay open. */
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

interface Heard {
  text: string
  model: string
  usage: TokenUsage | undefined
  finished: boolean
}

/**
 * The parts of the answer as its chunks come: text, and one end. Hangs up when it is left.
 * @throws EngineFailure, and what the deadline aborts with
 */
export async function* readAnswer(answering: Answering): AsyncGenerator<EnginePart> {
  const { chunks, model, turn } = answering
  const heard: Heard = { text: '', model, usage: undefined, finished: false }
  const whole = new WholeText()
  try {
    for await (const chunk of inTime(answering, heard)) {
      const text = whole.push(hear(heard, chunk))
      heard.text += text
      if (text !== '') yield { type: 'text', text }
    }
  } catch (error) {
    // The answer is whole; a server that then breaks or stays open only keeps its usage to itself.
    if (!(heard.finished && error instanceof EngineFailure)) throw error
  } finally {
    chunks.close()
  }
  if (!heard.finished) throw failed('the stream ended before the answer did')
  const rest = whole.end()
  if (rest !== '') yield { type: 'text', text: rest }
  yield endOf(heard, turn)
}

/** The chunks, each within the time without one and all within the time of an answer. */
async function* inTime(answering: Answering, heard: Heard): AsyncGenerator<CompletionChunk> {
  const { chunks, deadline, clock } = answering
  const endMs = clock.monotonicMs() + LONGEST_ANSWER_MS
  for (;;) {
    const chunk = await deadline.within(() => chunks.next())
    if (!chunk) return
    if (clock.monotonicMs() > endMs) throw endless()
    yield chunk
    if (heard.finished) deadline.shortenTo(AFTERWORD_MS)
  }
}

function endless(): EngineFailure {
  return new EngineFailure('upstream-timeout', `an answer took ${LONGEST_ANSWER_MS / 60_000} min`)
}

/** Remembers what a chunk says and gives its text. */
function hear(heard: Heard, chunk: CompletionChunk): string {
  if (chunk.model !== undefined) heard.model = chunk.model
  if (chunk.usage) heard.usage = chunk.usage
  if (chunk.finished) heard.finished = true
  return chunk.text ?? ''
}

function endOf({ text, model, usage }: Heard, turn: Turn): EnginePart {
  return {
    type: 'end',
    model,
    usage: usage ?? estimateUsage(turn, turn.mode.systemPrompt, text),
  }
}
