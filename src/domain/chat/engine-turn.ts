import type { Turn } from '../../engine/engine.ts'
import type { Conversation, HistoryEntry, Message, Store } from '../../store/store.ts'
import { defaultMode, findMode } from './modes.ts'

/** How many earlier messages the engine is sent at most. */
const HISTORY_MESSAGES = 60

type Asked = { conversation: Conversation; userMessage: Message; assistantMessage: Message }

/** What the engine is asked: the conversation up to the user's new message. */
export async function readTurn(
  store: Store,
  { conversation, userMessage, assistantMessage }: Asked,
  delivery: 'stream' | 'whole',
): Promise<Turn> {
  const { position, content } = userMessage
  const history = await readHistory(store, conversation.id, position)
  return {
    conversationId: conversation.id,
    mode: findMode(assistantMessage.mode ?? conversation.mode) ?? defaultMode,
    messages: [
      ...history.map(({ role, content: said }) => ({ role, content: said })),
      { role: 'user', content },
    ],
    omittedMessages: (history[0]?.position ?? position) - 1,
    delivery,
  }
}

/** The latest messages before a position, from a user's message on: an answer means nothing without its question. */
async function readHistory(
  store: Store,
  conversationId: string,
  beforePosition: number,
): Promise<HistoryEntry[]> {
  if (beforePosition === 1) return []
  const which = { conversationId, beforePosition, limit: HISTORY_MESSAGES }
  const latest = await store.messages.history(which)
  const first = latest.findIndex(({ role }) => role === 'user')
  return first === -1 ? [] : latest.slice(first)
}
