import type { ChatReply, ChatStreamEvent } from '../../generated/api.ts'
import type { GenerationEvent } from '../domain/chat/event-log.ts'
import { Problem } from '../domain/problem.ts'
import type { TokenUsage } from '../engine/engine.ts'
import type { Message } from '../store/store.ts'
import { messageView } from './message.ts'
import { problemView } from './problem.ts'
import { usageView } from './usage.ts'

type Call = { requestId: string; path: string }
type Ended = Extract<GenerationEvent, { type: 'end' }>

export function chatReplyView(reply: {
  generationId: string
  userMessage: Message
  message: Message
  usage: TokenUsage
}): ChatReply {
  return {
    generationId: reply.generationId,
    conversationId: reply.message.conversationId,
    userMessage: messageView(reply.userMessage),
    message: messageView(reply.message),
    usage: usageView(reply.usage),
  }
}

/** One event of a generation as its stream shows it. */
export function chatStreamEventView(
  generationId: string,
  event: GenerationEvent,
  call: Call,
): ChatStreamEvent {
  if (event.type === 'piece') return { type: 'message.delta', text: event.text }
  if (event.type === 'end') return endView(event, call)
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

/** Which end it was is what the kept message says. */
function endView({ message: row, usage, problem }: Ended, call: Call): ChatStreamEvent {
  const message = row && messageView(row)
  if (message && usage && message.status === 'complete') {
    return { type: 'message.end', message, usage: usageView(usage) }
  }
  if (message && usage && message.status === 'cancelled') {
    return { type: 'message.cancelled', message, usage: usageView(usage) }
  }
  const told = problem ?? new Problem('unavailable', { detail: 'The server shut down.' })
  return { type: 'message.error', problem: problemView(told, call), ...(message && { message }) }
}
