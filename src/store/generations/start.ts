import { AccountClosed } from '../account-closed.ts'
import type { Client, Query } from '../database/query.ts'
import { driverFailure } from '../database/unavailable.ts'
import { toMessage } from '../messages/message.ts'
import type { NewGeneration, Start } from './new-generation.ts'
import * as statements from './start-statement.ts'
import type { StartRow } from './start-statement.ts'

/**
 * Adds the question, the empty answer and the running generation, all or nothing. Of two concurrent
 * starts in one conversation, exactly one succeeds.
 * @throws AccountClosed
 */
export async function start({ prisma, query }: Client, generation: NewGeneration): Promise<Start> {
  const { generationId, conversationId } = generation
  for (;;) {
    const started = await tryStart(query, generation)
    if (started !== 'collided') return started
    const running = await prisma.generation.findFirst({
      where: { conversationId, status: 'running' },
      select: { id: true },
    })
    if (running?.id === generationId) return { outcome: 'exists' }
    if (running) return { outcome: 'busy', activeGenerationId: running.id }
    // The one that was running has ended meanwhile.
  }
}

async function tryStart(query: Query, generation: NewGeneration): Promise<Start | 'collided'> {
  try {
    const [row] = await statements.start(query, generation)
    if (row) return toStart(row)
    // A new conversation is missing only where its owner is.
    if (generation.newConversation) throw new AccountClosed(generation.ownerId)
    return { outcome: 'missing' }
  } catch (error) {
    const { code, text } = driverFailure(error)
    if (code === '23505' && text.includes('generations_running_conversation_key')) return 'collided'
    if (code === '23505' && text.includes('generations_pkey')) return { outcome: 'exists' }
    throw error
  }
}

function toStart({ messages, ...conversation }: StartRow): Start {
  const [userMessage, assistantMessage] = messages.map(toMessage)
  if (!userMessage || !assistantMessage) throw new Error('A start wrote fewer than two messages')
  return { outcome: 'started', conversation, userMessage, assistantMessage }
}
