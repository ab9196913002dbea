import type { Generation as GenerationSchema } from '../../generated/api.ts'
import type { Generation } from '../store/store.ts'
import { timestampView } from './timestamp.ts'
import { usageView } from './usage.ts'

export function generationView(generation: Generation): GenerationSchema {
  const { endedAt, usage } = generation
  return {
    id: generation.id,
    conversationId: generation.conversationId,
    messageId: generation.messageId,
    status: generation.status,
    startedAt: timestampView(generation.startedAt),
    ...(endedAt && { endedAt: timestampView(endedAt) }),
    ...(usage && { usage: usageView(usage) }),
  }
}
