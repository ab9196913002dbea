import { randomUUID } from 'node:crypto'
import type { Account, NewGeneration, Start, Store } from '../../src/store/store.ts'

/** The time of the tests for which any time will do. */
export const now = new Date('2026-03-01T10:20:30.123Z')

/** `ms` milliseconds after {@link now}. */
export const later = (ms: number): Date => new Date(now.getTime() + ms)

/** Creates an account with a random email. */
export async function givenAccount(store: Store): Promise<Account> {
  const id = randomUUID()
  const email = `${id}@example.com`
  const account = await store.accounts.create({ id, role: 'user', email, displayName: 'A', now })
  if (account === 'email-taken') throw new Error('A random email was taken')
  return account
}

/** A generation that starts a conversation, or continues the one in `inConversation`. */
export function newGeneration(
  ownerId: string,
  changes: Partial<NewGeneration> & { inConversation?: string } = {},
): NewGeneration {
  const { inConversation, ...rest } = changes
  return {
    generationId: randomUUID(),
    requestId: 'test',
    conversationId: inConversation ?? randomUUID(),
    ownerId,
    ...(inConversation === undefined && { newConversation: { title: 'Trees' } }),
    userMessageId: randomUUID(),
    userText: 'What is an oak?',
    assistantMessageId: randomUUID(),
    mode: 'concise',
    fallbackMode: 'balanced',
    now,
    leaseUntil: later(30_000),
    ...rest,
  }
}

/** Starts the generation; fails the test when it does not start. */
export async function givenStarted(
  store: Store,
  generation: NewGeneration,
): Promise<Extract<Start, { outcome: 'started' }>> {
  const start = await store.generations.start(generation)
  if (start.outcome !== 'started') throw new Error(`Not started: ${start.outcome}`)
  return start
}

/** The parameters that finish a generation with this answer. */
export function ending(generation: NewGeneration, content = 'A tree.') {
  return {
    generationId: generation.generationId,
    accountId: generation.ownerId,
    status: 'completed' as const,
    messageStatus: 'complete' as const,
    content,
    pieceEnds: [],
    answered: 1 as const,
    now: later(1_000),
  }
}

/** All usage of the account, in one bucket per day. */
export function allUsage(store: Store, accountId: string) {
  const [from, to] = [new Date('2026-01-01T00:00:00Z'), new Date('2027-01-01T00:00:00Z')]
  return store.usage.report({ accountId, from, to, granularity: 'day' })
}
