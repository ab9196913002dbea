/* Sets up a server and calls of the conversations on it. */

import { afterAll, beforeAll } from 'vitest'
import type { Conversation } from '../../generated/api.ts'
import type { Client } from '../support/client.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { startServer, type TestServer } from '../support/server.ts'

export let testStore: TestStore
export let server: TestServer

beforeAll(async () => {
  testStore = await openTestStore()
  server = await startServer({ testStore })
})

afterAll(async () => {
  await server.close()
  await testStore.close()
})

export async function createConversation(
  client: Client,
  body: { title?: string; mode?: string } = {},
) {
  return (await client.expect(201, 'createConversation', { body })).body
}

/** Returns the path parameters of a conversation. */
export const pathOf = ({ id }: Pick<Conversation, 'id'>) => ({ path: { conversationId: id } })
