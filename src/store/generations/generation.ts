import {
  type Message,
  type MessageRow,
  toMessage,
  toUsage,
  type Usage,
  type UsageRow,
} from '../messages/message.ts'
import { present } from '../rows.ts'

export type GenerationStatus = 'running' | 'completed' | 'cancelled' | 'failed' | 'interrupted'

export type Generation = {
  id: string
  conversationId: string
  /** The assistant's message that it writes. */
  messageId: string
  ownerId: string
  status: GenerationStatus
  /** While it runs: unless renewed by then, it counts as abandoned. */
  leaseUntil: Date
  startedAt: Date
  endedAt?: Date
  usage?: Usage
}

export type Renewal = { leaseUntil: Date }

export type Progress = Renewal & {
  generationId: string
  content: string
  pieceEnds: readonly number[]
}

/** What became of a lease: `gone` when the generation no longer runs. */
export type Renewed = 'renewed' | 'to-be-cancelled' | 'gone'

export type KeptGeneration = Generation & {
  requestId: string
  userMessage: Message
  message: Message
  /** Where each piece of the text ended, in UTF-16 units. */
  pieceEnds: number[]
  problem?: string
  problemDetail?: string
}

export type GenerationRow = Omit<Generation, 'endedAt' | 'usage'> & {
  endedAt: Date | null
} & UsageRow

export function toGeneration(row: GenerationRow): Generation {
  const { inputTokens, outputTokens, totalTokens, usageSource, ...rest } = row
  const usage = toUsage({ inputTokens, outputTokens, totalTokens, usageSource })
  return { ...present(rest), ...(usage && { usage }) }
}

export type KeptRow = GenerationRow & {
  requestId: string
  pieceEnds: number[]
  problem: string | null
  problemDetail: string | null
  messages: MessageRow[]
}

export function toKept(row: KeptRow): KeptGeneration {
  const { requestId, pieceEnds, problem, problemDetail, messages, ...generation } = row
  const [userMessage, message] = messages.map(toMessage)
  if (!userMessage || !message) throw new Error('A generation has fewer than two messages')
  return {
    ...toGeneration(generation),
    requestId,
    pieceEnds,
    userMessage,
    message,
    ...present({ problem, problemDetail }),
  }
}
