import type { Scope } from '../../generated/api.ts'
import { type Client, createClient } from './client.ts'
import type { TestServer } from './server.ts'

/** The ids of one resource of each kind, by the name of its path parameter. */
export type Resources = Record<string, string>

/** Creates one of each resource that a user can own. */
export async function createUserResources(owner: Client): Promise<Resources> {
  return { ...(await createChatResources(owner)), sessionId: owner.identity.sessionId }
}

/** Creates one of each resource that any caller can own, service accounts included. */
export async function createChatResources(owner: Client): Promise<Resources> {
  const { body } = await owner.expect(200, 'sendMessage', { body: { message: 'A secret.' } })
  const given = await owner.expect(200, 'giveFeedback', {
    body: { messageId: body.message.id, rating: 'up' },
  })
  return {
    conversationId: body.conversationId,
    messageId: body.message.id,
    feedbackId: given.body.id,
    generationId: body.generationId,
  }
}

/** Creates one of each resource that administrators manage. */
export async function createAdminResources(server: TestServer): Promise<Resources> {
  const [admin, user] = await Promise.all([server.admin(), server.createUser()])
  const { body: profile } = await user.expect(200, 'getProfile')
  const { body: account } = await admin.expect(201, 'createServiceAccount', {
    body: { name: 'Help desk', scopes: ['chat:write'] },
  })
  const { body: key } = await admin.expect(201, 'createApiKey', {
    path: { serviceAccountId: account.id },
    body: { name: 'production' },
  })
  return { userId: profile.id, serviceAccountId: account.id, apiKeyId: key.id }
}

export type ServiceAccountClient = Client & {
  serviceAccountId: string
  apiKeyId: string
  secret: string
}

/** Creates a service account with these scopes and returns a client with its key. */
export async function createServiceAccount(
  server: TestServer,
  scopes: Scope[],
): Promise<ServiceAccountClient> {
  const admin = await server.admin()
  const { body: account } = await admin.expect(201, 'createServiceAccount', {
    body: { name: 'Robot', scopes },
  })
  const { body: key } = await admin.expect(201, 'createApiKey', {
    path: { serviceAccountId: account.id },
    body: { name: 'test' },
  })
  const client = createClient(server.url, { apiKey: key.secret })
  return Object.assign(client, {
    serviceAccountId: account.id,
    apiKeyId: key.id,
    secret: key.secret,
  })
}

/** Returns the ids of all messages of a conversation, the oldest first. */
export async function messageIds(client: Client, conversationId: string): Promise<string[]> {
  const ids: string[] = []
  let cursor: string | undefined
  do {
    const query = { limit: 100, ...(cursor !== undefined && { cursor }) }
    const page = await client.expect(200, 'listMessages', { path: { conversationId }, query })
    ids.push(...page.body.data.map(({ id }) => id))
    cursor = page.body.nextCursor
  } while (cursor !== undefined)
  return ids
}
