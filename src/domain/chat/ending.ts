import type { TokenUsage } from '../../engine/engine.ts'
import { cleanText } from '../../engine/upstream/whole-text.ts'
import { DatabaseUnavailable, type Ending, type Message, type Store } from '../../store/store.ts'
import type { Unwritten } from './unwritten.ts'

/** What an event of the log takes in memory beside its text, roughly. */
const EVENT_BYTES = 200

type Deps = { store: Store; unwritten: Unwritten; onMistake: (error: unknown) => void }
type Told = Ending & { usage: TokenUsage }

/** An answer as it is kept, and what it took. */
export type Kept = { message: Message; usage: TokenUsage }

/**
 * Keeps the end of an answer, however long the database is away. One that the database refuses is kept
 * without the words of whoever answered, but for the text: what somebody said of an answer must cost
 * neither its text nor its conversation.
 * @param begun the answer as it was when it began
 * @param estimate what it took, should what was said of it not be kept
 * @returns the message as it is in the end, whoever ended it
 * @throws DatabaseUnavailable when it is given up
 */
export async function keepEnding(
  { store, unwritten, onMistake }: Deps,
  begun: Message,
  ending: Told,
  estimate: () => TokenUsage,
): Promise<Kept> {
  const bytes = 2 * ending.content.length + EVENT_BYTES * ending.pieceEnds.length
  const persist = async (told: Told): Promise<Kept> => {
    const message = await unwritten.persist(() => write(store, begun, told), { bytes })
    return { message, usage: told.usage }
  }
  return persist(ending).catch((error: unknown) => {
    if (error instanceof DatabaseUnavailable) throw error
    onMistake(error)
    const { model: _model, finishReason: _reason, ...rest } = ending
    return persist({ ...rest, content: cleanText(ending.content), usage: estimate() })
  })
}

async function write(store: Store, begun: Message, ending: Ending): Promise<Message> {
  const written = await store.generations.finish(ending)
  if (written) return written.message
  const present = await store.messages.findOwned({ id: begun.id, ownerId: ending.accountId })
  // Its conversation was deleted in the meantime: nothing is kept, but the reader hears the end.
  return present ?? { ...begun, content: ending.content, status: 'cancelled' }
}
