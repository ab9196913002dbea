import { randomInt } from 'node:crypto'
import type { Client } from '../../../tests/support/client.ts'
import { messageIds } from '../../../tests/support/resources.ts'

/** The messages that the server has acknowledged, by conversation, oldest first. */
export class AcknowledgedMessages {
  readonly #idsByConversation = new Map<string, string[]>()

  get conversationCount(): number {
    return this.#idsByConversation.size
  }

  get ids(): string[] {
    return [...this.#idsByConversation.values()].flat()
  }

  add(conversationId: string, ids: readonly string[]): void {
    const earlier = this.#idsByConversation.get(conversationId) ?? []
    this.#idsByConversation.set(conversationId, [...earlier, ...ids])
  }

  delete(conversationId: string): void {
    this.#idsByConversation.delete(conversationId)
  }

  oldestConversation(): string | undefined {
    return this.#idsByConversation.keys().next().value
  }

  anyConversation(): string {
    return [...this.#idsByConversation.keys()][randomInt(this.#idsByConversation.size)]!
  }

  /** Returns the conversations in which a message is missing, duplicated or out of order. */
  async findLost(client: () => Client): Promise<string[]> {
    const lost: string[] = []
    for (const [conversationId, ids] of this.#idsByConversation) {
      const all = await messageIds(client(), conversationId)
      const found = all.filter((id) => ids.includes(id))
      if (found.join() !== ids.join())
        lost.push(`${conversationId}: ${ids.join()} is ${found.join()}`)
    }
    return lost
  }
}
