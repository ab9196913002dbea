import type { Message as MessageSchema, MessagePage } from '../../generated/api.ts'
import type { Page } from '../domain/lists/paging.ts'
import type { Message } from '../store/store.ts'
import { timestampView } from './timestamp.ts'
import { usageView } from './usage.ts'

/** One message. The text of an answer in progress is on its stream, not here. */
export function messageView(message: Message): MessageSchema {
  const { mode, model, finishReason, omittedMessages, usage } = message
  return {
    id: message.id,
    conversationId: message.conversationId,
    role: message.role,
    content: message.status === 'inProgress' ? '' : message.content,
    status: message.status,
    ...(mode !== undefined && { mode }),
    ...(model !== undefined && { model }),
    ...(finishReason !== undefined && { finishReason }),
    ...(omittedMessages !== undefined && { omittedMessages }),
    ...(usage !== undefined && { usage: usageView(usage) }),
    createdAt: timestampView(message.createdAt),
  }
}

export function messagePageView({ data, nextCursor }: Page<Message>): MessagePage {
  return { data: data.map(messageView), ...(nextCursor !== undefined && { nextCursor }) }
}
