import type { FinishReason, MessageStatus, Usage } from '../messages/message.ts'

export type Ending = {
  generationId: string
  /** Whose usage it is, even if the generation was deleted with its conversation. */
  accountId: string
  status: 'completed' | 'cancelled' | 'failed'
  messageStatus: MessageStatus
  content: string
  /** Where each piece of it ended, in UTF-16 units. */
  pieceEnds: readonly number[]
  /** Why it failed. */
  problem?: string
  /** What callers are told about it in addition. */
  problemDetail?: string
  model?: string
  usage?: Usage
  finishReason?: FinishReason
  omittedMessages?: number
  /** 1 if an answer with text is kept. */
  answered: 0 | 1
  now: Date
}

export type Abandoned = { now: Date; all: boolean; except?: string[] }
