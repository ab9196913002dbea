import type { Conversation } from '../conversations/conversation.ts'
import type { Message } from '../messages/message.ts'

export type NewGeneration = {
  generationId: string
  /** Of the call that requests it. */
  requestId: string
  conversationId: string
  ownerId: string
  /** Given when the generation starts its conversation. */
  newConversation?: { title: string }
  userMessageId: string
  userText: string
  assistantMessageId: string
  /** Absent: the conversation's mode; for a new one, its owner's default mode. */
  mode?: string
  /** For an owner without a default mode. */
  fallbackMode: string
  now: Date
  leaseUntil: Date
}

export type Start =
  | {
      outcome: 'started'
      conversation: Conversation
      userMessage: Message
      assistantMessage: Message
    }
  | { outcome: 'busy'; activeGenerationId: string }
  /** A generation with this id was started before. */
  | { outcome: 'exists' }
  /** The owner has no such conversation. */
  | { outcome: 'missing' }
