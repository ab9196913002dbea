import type { Client } from './client.ts'

/** The generation that runs in the client's last active conversation: a second message is refused and names it. */
export async function runningGeneration(client: Client): Promise<{ generationId: string }> {
  const { body: list } = await client.expect(200, 'listConversations')
  const body = { conversationId: list.data[0]!.id, message: 'And?' }
  const { body: problem } = await client.refused('conversation-busy', 'sendMessage', { body })
  return { generationId: problem.activeGenerationId! }
}
