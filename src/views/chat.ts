import type { ChatReply, ChatStreamEvent } from '../../generated/api.ts'
import type { Frame } from '../contract/types.ts'
import { eventIdOf } from '../domain/chat/event-ids.ts'
import type { AnswerEvent } from '../domain/chat/event-log.ts'
import type { Answer } from '../domain/chat/generations.ts'
import { Problem } from '../domain/problem.ts'
import { messageView } from './message.ts'
import { problemView } from './problem.ts'
import { usageView } from './usage.ts'

/** The call that reads the stream: a problem names it. */
type Reading = Parameters<typeof problemView>[1]

export function chatReplyView(answer: Omit<Answer, 'isReplay'>): ChatReply {
  return {
    generationId: answer.generationId,
    conversationId: answer.message.conversationId,
    userMessage: messageView(answer.userMessage),
    message: messageView(answer.message),
    usage: usageView(answer.usage),
  }
}

/** The events of a stream as its frames show them, one at a time. */
export async function* chatFrameViews(
  generationId: string,
  events: AsyncIterable<AnswerEvent>,
  reading: Reading,
): AsyncGenerator<Frame<ChatStreamEvent>> {
  for await (const event of events) {
    const id = eventIdOf(generationId, event.seq)
    yield { id, event: chatStreamEventView(generationId, event, reading) }
  }
}

function chatStreamEventView(
  generationId: string,
  event: AnswerEvent,
  reading: Reading,
): ChatStreamEvent {
  if (event.type === 'text') return { type: 'message.delta', text: event.text }
  if (event.type === 'end') return endView(event, reading)
  const { userMessage, message, requestId } = event
  return {
    type: 'message.start',
    generationId,
    conversationId: message.conversationId,
    userMessage: messageView(userMessage),
    messageId: message.id,
    requestId,
    mode: message.mode ?? '',
  }
}

/** The status of the stored message decides which end it is. */
function endView(
  { message: row, usage, problem }: Extract<AnswerEvent, { type: 'end' }>,
  reading: Reading,
): ChatStreamEvent {
  const message = row && messageView(row)
  if (message && usage && message.status === 'complete') {
    return { type: 'message.end', message, usage: usageView(usage) }
  }
  if (message && usage && message.status === 'cancelled') {
    return { type: 'message.cancelled', message, usage: usageView(usage) }
  }
  const shown = problem ?? new Problem('unavailable', { detail: 'The server shut down.' })
  return {
    type: 'message.error',
    problem: problemView(shown, reading),
    ...(message && { message }),
  }
}
