import { present } from '../rows.ts'

export type MessageRole = 'user' | 'assistant'

export type MessageStatus = 'complete' | 'inProgress' | 'cancelled' | 'failed' | 'interrupted'

export type FinishReason = 'stop' | 'length' | 'contentFilter'

/** In tokens; an unknown number is absent, never 0. */
export type Usage = {
  inputTokens?: number
  outputTokens?: number
  totalTokens?: number
  source: 'upstream' | 'estimated'
}

export type Message = {
  id: string
  conversationId: string
  /** 1, 2, 3 … in the conversation. */
  position: number
  role: MessageRole
  content: string
  status: MessageStatus
  mode?: string
  model?: string
  usage?: Usage
  finishReason?: FinishReason
  /** How many messages at the start of the conversation the model did not see; absent for none. */
  omittedMessages?: number
  createdAt: Date
}

export type HistoryEntry = Pick<Message, 'role' | 'content' | 'position'>

/** As the database returns it; inside JSON, times are text. */
export type MessageRow = UsageRow & {
  id: string
  conversationId: string
  position: number
  role: MessageRole
  content: string
  status: MessageStatus
  mode: string | null
  model: string | null
  finishReason: FinishReason | null
  omittedMessages: number | null
  createdAt: Date | string
}

export type UsageRow = {
  inputTokens: number | null
  outputTokens: number | null
  totalTokens: number | null
  usageSource: Usage['source'] | null
}

export function toMessage(row: MessageRow): Message {
  const { inputTokens, outputTokens, totalTokens, usageSource, createdAt, ...rest } = row
  const usage = toUsage({ inputTokens, outputTokens, totalTokens, usageSource })
  return { ...present(rest), ...(usage && { usage }), createdAt: new Date(createdAt) }
}

/** Undefined when no source reported any. */
export function toUsage({ usageSource, ...tokens }: UsageRow): Usage | undefined {
  return usageSource === null ? undefined : { ...present(tokens), source: usageSource }
}
