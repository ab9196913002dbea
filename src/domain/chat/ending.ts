import { type Engine, type EngineEnd, type TokenUsage, type Turn } from '../../engine/engine.ts'
import { estimateUsage } from '../../engine/tokens.ts'
import { cleanText } from '../../engine/clean-text.ts'
import { DatabaseUnavailable, type Ending, type Message, type Store } from '../../store/store.ts'
import type { AnswerBuffer } from './answer-buffer.ts'
import type { PendingWrites } from './pending-writes.ts'
import type { Problem } from '../problem.ts'

/** What an event of the log takes in memory besides its text, roughly. */
const EVENT_BYTES = 200

/** How an answer ended. */
export type Conclusion =
  | { status: 'completed'; said: EngineEnd }
  | { status: 'cancelled' }
  | { status: 'failed'; problem: Problem }

/** An answer as it is stored, and the tokens that it took. */
export type StoredAnswer = { message: Message; usage: TokenUsage }

type EndingRecord = Ending & { usage: TokenUsage }

/** The tokens of an answer whose engine did not count them. */
export function estimateOf(engine: Engine, turn: Turn, text: string): TokenUsage {
  // Rules read no system prompt.
  return estimateUsage(turn, engine.ruleBased ? '' : turn.mode.systemPrompt, text)
}

/** The record that ends a generation. @param estimate the tokens, should the engine not say */
export function endingRecord(
  generation: { id: string; ownerId: string; turn: Turn; buffer: AnswerBuffer },
  conclusion: Conclusion,
  { estimate, now }: { estimate: () => TokenUsage; now: Date },
): EndingRecord {
  const { id, ownerId, turn, buffer } = generation
  const { status } = conclusion
  const said = 'said' in conclusion ? conclusion.said : undefined
  const omittedMessages = (turn.omittedMessages ?? 0) + (said?.omittedMessages ?? 0)
  return {
    generationId: id,
    accountId: ownerId,
    status,
    messageStatus: status === 'completed' ? 'complete' : status,
    content: buffer.text,
    pieceEnds: buffer.pieceEnds,
    ...('problem' in conclusion && problemColumns(conclusion.problem)),
    ...(said && { model: said.model }),
    ...(said?.finishReason && { finishReason: said.finishReason }),
    ...(omittedMessages > 0 && { omittedMessages }),
    usage: said?.usage ?? estimate(),
    answered: buffer.text === '' ? 0 : 1,
    now,
  }
}

function problemColumns({ code, facts }: Problem): Pick<Ending, 'problem' | 'problemDetail'> {
  return { problem: code, ...(facts.detail !== undefined && { problemDetail: facts.detail }) }
}

type Deps = { store: Store; pendingWrites: PendingWrites; onMistake: (error: unknown) => void }

/**
 * Stores the end of an answer, however long the database is unavailable. An ending that the database
 * refuses is stored without what the engine said about the answer: a bad model name must cost
 * neither the text nor the conversation.
 * @param initial the message as it was when the generation started
 * @param estimate the tokens, should what the engine said of them not be stored
 * @returns the message as it is stored in the end, whichever instance ended it
 * @throws DatabaseUnavailable when the write is given up
 */
export async function storeEnding(
  { store, pendingWrites, onMistake }: Deps,
  initial: Message,
  ending: EndingRecord,
  estimate: () => TokenUsage,
): Promise<StoredAnswer> {
  const bytes = 2 * ending.content.length + EVENT_BYTES * ending.pieceEnds.length
  const persist = async (record: EndingRecord): Promise<StoredAnswer> => {
    const message = await pendingWrites.persist(() => write(store, initial, record), { bytes })
    return { message, usage: record.usage }
  }
  return persist(ending).catch((error: unknown) => {
    if (error instanceof DatabaseUnavailable) throw error
    onMistake(error)
    const { model: _model, finishReason: _reason, ...rest } = ending
    return persist({ ...rest, content: cleanText(ending.content), usage: estimate() })
  })
}

async function write(store: Store, initial: Message, ending: Ending): Promise<Message> {
  const written = await store.generations.finish(ending)
  if (written) return written.message
  const present = await store.messages.findOwned({ id: initial.id, ownerId: ending.accountId })
  // The conversation was deleted in the meantime: nothing is stored, but readers are told the end.
  return present ?? { ...initial, content: ending.content, status: 'cancelled' }
}
