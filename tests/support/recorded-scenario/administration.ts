import { followLinks } from './links.ts'
import { bodyOf, type Credentials, PASSWORD, type Scenario } from './recorder.ts'

type Resource = { id: string }

/** What later calls of the scenario need of the accounts. */
export type ManagedAccounts = { admin: Credentials; userId: string; serviceAccountId: string }

/** Creates accounts and keys as an administrator. */
export async function createAccounts(scenario: Scenario): Promise<ManagedAccounts> {
  const { call, exchanges } = scenario
  const first = exchanges.length
  const admin = await scenario.logIn('admin@example.com', 'the admin of the tests')
  const made = await call(admin, 'createUser', {
    body: { email: 'grace@example.com', password: PASSWORD, displayName: 'Grace', role: 'user' },
  })
  const user = { userId: bodyOf<Resource>(made).id }
  await call(admin, 'listUsers', { query: { q: 'grace', role: 'user', disabled: false } })
  await call(admin, 'changeUser', { path: user, body: { disabled: true } })
  const account = await call(admin, 'createServiceAccount', {
    body: { name: 'Help desk', scopes: ['chat:write', 'conversations:read'] },
  })
  const path = { serviceAccountId: bodyOf<Resource>(account).id }
  await call(admin, 'changeServiceAccount', { path, body: { scopes: ['chat:write'] } })
  await call(admin, 'listServiceAccounts', { query: { q: 'desk', disabled: false } })
  await createApiKeys(scenario, admin, path)
  await followLinks(scenario, admin, first)
  return { admin, ...user, ...path }
}

async function createApiKeys(
  { call }: Scenario,
  admin: Credentials,
  account: { serviceAccountId: string },
): Promise<void> {
  const made = await call(admin, 'createApiKey', {
    path: account,
    body: { name: 'production', expiresAt: '2027-11-23T09:00:00Z' },
  })
  const path = { ...account, apiKeyId: bodyOf<Resource>(made).id }
  await call(admin, 'rotateApiKey', { path, body: { overlapSeconds: 86_400 } })
  await call(admin, 'listApiKeys', { path: account })
  await call(admin, 'revokeApiKey', { path })
}

/** Reads the records as an administrator, and deletes the accounts. */
export async function deleteAccounts({ call }: Scenario, office: ManagedAccounts): Promise<void> {
  const { admin, userId, serviceAccountId } = office
  const { id } = bodyOf<Resource>(await call(admin, 'getProfile'))
  const query = { event: 'user.created', actorId: id, targetId: userId }
  await call(admin, 'listAuditEvents', { query })
  const feedback = await call(admin, 'listAllFeedback', { query: { rating: 'up' } })
  const [{ userId: accountId }] = bodyOf<{ data: [{ userId: string }] }>(feedback).data
  const month = { from: '2026-11-01T00:00:00Z', to: '2026-12-01T00:00:00Z' }
  await call(admin, 'getAllUsage', { query: { ...month, granularity: 'day', accountId } })
  await call(admin, 'deleteServiceAccount', { path: { serviceAccountId } })
  await call(admin, 'deleteUser', { path: { userId } })
}
