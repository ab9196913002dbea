import type { Client } from './database/query.ts'

/** What takes a beginning back. */
export const undoGeneration = ({ prisma }: Client) => ({
  /**
   * Removes a running generation and both its messages, and the conversation if this started
   * it: as if it had never been asked. Nothing happens when it is not running.
   */
  async undo({ generationId }: { generationId: string }): Promise<void> {
    await prisma.$executeRaw`
      WITH conversation AS (
        SELECT c.id, c.message_count FROM generations g
        JOIN conversations c ON c.id = g.conversation_id
        WHERE g.id = ${generationId}::uuid FOR UPDATE OF c
      ), undone AS (
        DELETE FROM generations g USING conversation c
        WHERE g.id = ${generationId}::uuid AND g.status = 'running' AND c.id = g.conversation_id
        RETURNING c.id, c.message_count, g.started_conversation AND c.message_count = 2 AS emptied
      ), unsaid AS (
        DELETE FROM messages m USING undone u
        WHERE m.conversation_id = u.id AND m.position > u.message_count - 2
      ), removed AS (
        DELETE FROM conversations c USING undone u WHERE c.id = u.id AND u.emptied
      )
      UPDATE conversations c SET message_count = c.message_count - 2, version = c.version + 1
      FROM undone u WHERE c.id = u.id AND NOT u.emptied`
  },
})
