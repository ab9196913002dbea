import { describe, expect, test } from 'vitest'
import type { Client } from '../support/client.ts'
import { databaseDump } from '../support/database/database-dump.ts'
import { createServiceAccount } from '../support/resources.ts'
import { createAccount, newAccount } from './accounts.ts'
import { admin, server, testStore } from './administration.given.ts'
import { USER_SCOPES } from './scopes.ts'

describe('a service account with admin:users', () => {
  test('may administer users, but not administrators', async () => {
    const clerk = await createServiceAccount(server, ['admin:users', ...USER_SCOPES])
    const boss = await createAccount(server, admin, 'admin')
    const user = await createAccount(server, admin)
    const refused = (operationId: 'changeUser' | 'deleteUser', path: object, body?: object) =>
      clerk.refused('insufficient-scope', operationId, { path, body } as never)

    await clerk.refused('insufficient-scope', 'createUser', { body: newAccount('admin') })
    await refused('changeUser', boss.path, { displayName: 'Nobody' })
    await refused('changeUser', boss.path, { role: 'user' })
    await refused('changeUser', boss.path, { disabled: true })
    await refused('changeUser', user.path, { role: 'admin' })
    await refused('deleteUser', boss.path)
    await boss.client.expect(200, 'listUsers')
    await clerk.expect(200, 'changeUser', { path: user.path, body: { displayName: 'Ada' } })
    await clerk.expect(204, 'deleteUser', { path: user.path })
    await clerk.expect(201, 'createUser', { body: newAccount('user') })
  })

  test('creates no user if it lacks a scope of users', async () => {
    const clerk = await createServiceAccount(server, ['admin:users'])

    const { body } = await clerk.refused('insufficient-scope', 'createUser', { body: newAccount() })

    expect(body.detail).toContain('chat:write')
  })
})

describe('a service account with admin:service-accounts', () => {
  test('cannot grant a scope that it lacks, nor administer an account or key with one', async () => {
    const clerk = await createServiceAccount(server, ['admin:service-accounts', 'profile:read'])
    const strong = await createServiceAccount(server, ['profile:read', 'usage:read'])
    const weak = await createServiceAccount(server, ['profile:read'])
    const path = { serviceAccountId: strong.serviceAccountId }
    const keyPath = { ...path, apiKeyId: strong.apiKeyId }
    const refusals: [Parameters<Client['refused']>[1], object][] = [
      ['createServiceAccount', { body: { name: 'Mine', scopes: ['usage:read'] } }],
      ['createApiKey', { path, body: { name: 'mine' } }],
      ['rotateApiKey', { path: keyPath, body: { overlapSeconds: 60 } }],
      ['revokeApiKey', { path: keyPath }],
      ['changeServiceAccount', { path, body: { name: 'Mine' } }],
      ['changeServiceAccount', { path, body: { scopes: [] } }],
      ['deleteServiceAccount', { path }],
      [
        'changeServiceAccount',
        {
          path: { serviceAccountId: weak.serviceAccountId },
          body: { scopes: ['profile:read', 'usage:read'] },
        },
      ],
      [
        'changeServiceAccount',
        { path: { serviceAccountId: clerk.serviceAccountId }, body: { scopes: ['admin:users'] } },
      ],
    ]
    const before = await databaseDump(testStore.database)

    for (const [operationId, request] of refusals) {
      await clerk.refused('insufficient-scope', operationId, request)
    }

    expect(await databaseDump(testStore.database)).toBe(before)
    const ofWeak = { serviceAccountId: weak.serviceAccountId }
    await clerk.expect(201, 'createApiKey', { path: ofWeak, body: { name: 'mine' } })
    await clerk.expect(204, 'deleteServiceAccount', { path: ofWeak })
  })
})
