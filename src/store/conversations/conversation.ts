import type { PagePosition } from '../rows.ts'

export type Conversation = {
  id: string
  ownerId: string
  title: string
  mode: string
  archived: boolean
  pinned: boolean
  messageCount: number
  /** Grows by one with every change, new messages included. */
  version: number
  createdAt: Date
  updatedAt: Date
}

export type NewConversation = Pick<Conversation, 'id' | 'ownerId' | 'title' | 'mode'> & {
  now: Date
}

export type ConversationChanges = Partial<
  Pick<Conversation, 'title' | 'mode' | 'archived' | 'pinned'>
>

export type ConversationFilter = {
  ownerId: string
  archived?: boolean
  limit: number
  after?: PagePosition
}

/** What identifies a conversation: it is found with its owner or not at all. */
export type OwnedConversation = Pick<Conversation, 'id' | 'ownerId'>
