import { bodyOf, type Credentials, PASSWORD, type Scenario } from './recorder.ts'

type Thing = { id: string }

/** What the story needs to know of the people of the office. */
export type Office = { admin: Credentials; userId: string; serviceAccountId: string }

/** An administrator makes accounts and keys. */
export async function officeOpens(scenario: Scenario): Promise<Office> {
  const { call } = scenario
  const admin = await scenario.enter('admin@example.com', 'the admin of the tests')
  const made = await call(admin, 'createUser', {
    body: { email: 'grace@example.com', password: PASSWORD, displayName: 'Grace', role: 'user' },
  })
  const user = { userId: bodyOf<Thing>(made).id }
  await call(admin, 'listUsers', { query: { q: 'grace', role: 'user', disabled: false } })
  await call(admin, 'getUser', { path: user })
  await call(admin, 'changeUser', { path: user, body: { disabled: true } })
  const account = await call(admin, 'createServiceAccount', {
    body: { name: 'Help desk', scopes: ['chat:write', 'conversations:read'] },
  })
  const path = { serviceAccountId: bodyOf<Thing>(account).id }
  await call(admin, 'getServiceAccount', { path })
  await call(admin, 'changeServiceAccount', { path, body: { scopes: ['chat:write'] } })
  await call(admin, 'listServiceAccounts', { query: { q: 'desk', disabled: false } })
  await keysAreMade(scenario, admin, path)
  return { admin, ...user, ...path }
}

async function keysAreMade(
  { call }: Scenario,
  admin: Credentials,
  account: { serviceAccountId: string },
): Promise<void> {
  const made = await call(admin, 'createApiKey', {
    path: account,
    body: { name: 'production', expiresAt: '2027-11-23T09:00:00Z' },
  })
  const path = { ...account, apiKeyId: bodyOf<Thing>(made).id }
  await call(admin, 'rotateApiKey', { path, body: { overlapSeconds: 86_400 } })
  await call(admin, 'listApiKeys', { path: account })
  await call(admin, 'revokeApiKey', { path })
}

/** The administrator looks around, and takes away what was made. */
export async function officeCloses({ call }: Scenario, office: Office): Promise<void> {
  const { admin, userId, serviceAccountId } = office
  const { id } = bodyOf<Thing>(await call(admin, 'getProfile'))
  const query = { event: 'user.created', actorId: id, targetId: userId }
  await call(admin, 'listAuditEvents', { query })
  const feedback = await call(admin, 'listAllFeedback', { query: { rating: 'up' } })
  const [{ userId: accountId }] = bodyOf<{ data: [{ userId: string }] }>(feedback).data
  const month = { from: '2026-11-01T00:00:00Z', to: '2026-12-01T00:00:00Z' }
  await call(admin, 'getAllUsage', { query: { ...month, granularity: 'day', accountId } })
  await call(admin, 'deleteServiceAccount', { path: { serviceAccountId } })
  await call(admin, 'deleteUser', { path: { userId } })
}
