import type {
  Conversation as ConversationSchema,
  ConversationDetail,
  ConversationPage,
} from '../../generated/api.ts'
import type { ConversationWithMessages } from '../domain/conversations/conversations.ts'
import type { Page } from '../domain/lists/paging.ts'
import type { Conversation } from '../store/store.ts'
import { messageView } from './message.ts'
import { timestampView } from './timestamp.ts'

export function conversationView(conversation: Conversation): ConversationSchema {
  return {
    id: conversation.id,
    title: conversation.title,
    mode: conversation.mode,
    archived: conversation.archived,
    pinned: conversation.pinned,
    messageCount: conversation.messageCount,
    createdAt: timestampView(conversation.createdAt),
    updatedAt: timestampView(conversation.updatedAt),
  }
}

export function conversationPageView({ data, nextCursor }: Page<Conversation>): ConversationPage {
  return { data: data.map(conversationView), ...(nextCursor !== undefined && { nextCursor }) }
}

export function conversationDetailView(detail: ConversationWithMessages): ConversationDetail {
  const { conversation, messages, messagesCursor } = detail
  return {
    ...conversationView(conversation),
    messages: messages.map(messageView),
    ...(messagesCursor !== undefined && { messagesCursor }),
  }
}
