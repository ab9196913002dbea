import { bodyOf, type Credentials, PASSWORD, type Stage } from './recorder.ts'

type Thing = { id: string }

/** What the story needs to know of the people of the office. */
export type Office = { admin: Credentials; userId: string; serviceAccountId: string }

/** An administrator makes accounts and keys. */
export async function officeOpens(stage: Stage): Promise<Office> {
  const { tell } = stage
  const admin = await stage.enter('admin@example.com', 'the admin of the tests')
  const made = await tell(admin, 'createUser', {
    body: { email: 'grace@example.com', password: PASSWORD, displayName: 'Grace', role: 'user' },
  })
  const user = { userId: bodyOf<Thing>(made).id }
  await tell(admin, 'listUsers', { query: { q: 'grace', role: 'user', disabled: false } })
  await tell(admin, 'getUser', { path: user })
  await tell(admin, 'changeUser', { path: user, body: { disabled: true } })
  const account = await tell(admin, 'createServiceAccount', {
    body: { name: 'Help desk', scopes: ['chat:write', 'conversations:read'] },
  })
  const path = { serviceAccountId: bodyOf<Thing>(account).id }
  await tell(admin, 'getServiceAccount', { path })
  await tell(admin, 'changeServiceAccount', { path, body: { scopes: ['chat:write'] } })
  await tell(admin, 'listServiceAccounts', { query: { q: 'desk', disabled: false } })
  await keysAreMade(stage, admin, path)
  return { admin, ...user, ...path }
}

async function keysAreMade(
  { tell }: Stage,
  admin: Credentials,
  account: { serviceAccountId: string },
): Promise<void> {
  const made = await tell(admin, 'createApiKey', {
    path: account,
    body: { name: 'production', expiresAt: '2027-11-23T09:00:00Z' },
  })
  const path = { ...account, apiKeyId: bodyOf<Thing>(made).id }
  await tell(admin, 'rotateApiKey', { path, body: { overlapSeconds: 86_400 } })
  await tell(admin, 'listApiKeys', { path: account })
  await tell(admin, 'revokeApiKey', { path })
}

/** The administrator looks around, and takes away what was made. */
export async function officeCloses({ tell }: Stage, office: Office): Promise<void> {
  const { admin, userId, serviceAccountId } = office
  const { id } = bodyOf<Thing>(await tell(admin, 'getProfile'))
  const query = { event: 'user.created', actorId: id, targetId: userId }
  await tell(admin, 'listAuditEvents', { query })
  const feedback = await tell(admin, 'listAllFeedback', { query: { rating: 'up' } })
  const [{ userId: accountId }] = bodyOf<{ data: [{ userId: string }] }>(feedback).data
  const month = { from: '2026-11-01T00:00:00Z', to: '2026-12-01T00:00:00Z' }
  await tell(admin, 'getAllUsage', { query: { ...month, granularity: 'day', accountId } })
  await tell(admin, 'deleteServiceAccount', { path: { serviceAccountId } })
  await tell(admin, 'deleteUser', { path: { userId } })
}
