import { randomUUID } from 'node:crypto'
import type { TestStore } from './database/database.ts'

/** Inserts a conversation with this many questions, each with this text. @returns its id */
export async function insertLongMessages(
  { database }: TestStore,
  ownerId: string,
  { count, text }: { count: number; text: string },
): Promise<string> {
  const id = randomUUID()
  const at = new Date('2026-11-01T00:00:00.000Z')
  await database.prisma.conversation.create({
    data: {
      ...{ id, ownerId, title: 'Long', mode: 'balanced', messageCount: count },
      ...{ createdAt: at, updatedAt: at },
    },
  })
  await database.prisma.$executeRaw`
    INSERT INTO messages (id, conversation_id, position, role, content, status, created_at)
    SELECT gen_random_uuid(), ${id}::uuid, i, 'user', ${text}::text, 'complete', ${at}::timestamptz
    FROM generate_series(1, ${count}::int) i`
  return id
}

/** Inserts feedback of an account on each message of a conversation, with this comment. */
export async function insertComments(
  { database }: TestStore,
  accountId: string,
  { conversationId, comment }: { conversationId: string; comment: string },
): Promise<void> {
  await database.prisma.$executeRaw`
    INSERT INTO feedback (id, account_id, message_id, rating, tags, comment, created_at, updated_at)
    SELECT gen_random_uuid(), ${accountId}::uuid, id, 'up', '{}', ${comment}::text, created_at,
      created_at + position * interval '1 second'
    FROM messages WHERE conversation_id = ${conversationId}::uuid`
}
