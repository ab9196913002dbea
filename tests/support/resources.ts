import type { Scope } from '../../generated/api.ts'
import { type Client, createClient } from './client.ts'
import type { TestServer } from './server.ts'

/** One thing of each kind, by the name of the path parameter that means it. */
export type Resources = Record<string, string>

/** Makes one of everything that a person can own. */
export async function ownThings(owner: Client): Promise<Resources> {
  return { ...(await ownTalk(owner)), sessionId: owner.identity.sessionId }
}

/** Makes one of everything that any caller can own, a program too. */
export async function ownTalk(owner: Client): Promise<Resources> {
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

/** Makes one of everything that an administrator takes care of. */
export async function adminThings(server: TestServer): Promise<Resources> {
  const [admin, user] = await Promise.all([server.admin(), server.newUser()])
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

/** A service account with these scopes and a key, as a caller. */
export async function newServiceAccount(
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

/** Of all messages of a conversation, page by page, the oldest first. */
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
