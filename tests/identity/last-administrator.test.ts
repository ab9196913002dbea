import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Problem } from '../../generated/api.ts'
import type { Client } from '../support/client.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { databaseDump } from '../support/contract/operations.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { createServiceAccount } from '../support/resources.ts'
import { spyOnStore, type SpyStore } from '../support/database/spy-store.ts'
import {
  USER_SCOPES,
  admin,
  idOf,
  made,
  newcomer,
  server,
  testStore,
} from './administration.given.ts'

describe('nobody gives or takes in hand more than they hold', () => {
  test('who may administer users alone makes, changes and deletes no admin, and makes none', async () => {
    const clerk = await createServiceAccount(server, ['admin:users', ...USER_SCOPES])
    const boss = await made(server, admin, 'admin')
    const user = await made(server, admin)
    const refused = (operationId: 'changeUser' | 'deleteUser', path: object, body?: object) =>
      clerk.refused('insufficient-scope', operationId, { path, body } as never)
    await clerk.refused('insufficient-scope', 'createUser', { body: newcomer('admin') })
    await refused('changeUser', boss.path, { displayName: 'Nobody' })
    await refused('changeUser', boss.path, { role: 'user' })
    await refused('changeUser', boss.path, { disabled: true })
    await refused('changeUser', user.path, { role: 'admin' })
    await refused('deleteUser', boss.path)
    await boss.client.expect(200, 'listUsers')
    await clerk.expect(200, 'changeUser', { path: user.path, body: { displayName: 'Ada' } })
    await clerk.expect(204, 'deleteUser', { path: user.path })
    await clerk.expect(201, 'createUser', { body: newcomer('user') })
  })

  test('who lacks what every user may makes no user', async () => {
    const clerk = await createServiceAccount(server, ['admin:users'])

    const { body } = await clerk.refused('insufficient-scope', 'createUser', { body: newcomer() })

    expect(body.detail).toContain('chat:write')
  })

  test('who may administer service accounts alone grants no scope that it lacks', async () => {
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

describe('the last administrator', () => {
  let lone: TestServer
  let loneStore: TestStore
  let watched: SpyStore
  let last: Client
  beforeAll(async () => {
    loneStore = await openTestStore()
    watched = spyOnStore(loneStore.store)
    const instead = { deps: { store: watched.store } }
    lone = await startServer({ testStore: loneStore, replacements: instead })
    last = await lone.admin()
  })
  afterAll(async () => {
    await lone.close()
    await loneStore.close()
  })

  const admins = () =>
    loneStore.database.prisma.account.findMany({
      where: { role: 'admin', disabledAt: null, closedAt: null },
      select: { id: true },
    })

  test('cannot be demoted, disabled or deleted, nor leave', async () => {
    const path = { userId: await idOf(last) }
    const off = await made(lone, last, 'admin')
    await last.expect(200, 'changeUser', { path: off.path, body: { disabled: true } })
    const before = await databaseDump(loneStore.database)
    const refusals = [
      await last.refused('invalid-request', 'changeUser', { path, body: { role: 'user' } }),
      await last.refused('invalid-request', 'changeUser', { path, body: { disabled: true } }),
      await last.refused('invalid-request', 'deleteUser', { path }),
      await last.refused('invalid-request', 'closeAccount'),
    ]
    for (const { status, body } of refusals) {
      expect(status).toBe(400)
      expect(body.errors).toMatchObject([{ code: 'last-admin' }])
    }
    expect(await databaseDump(loneStore.database)).toBe(before)

    await last.expect(200, 'changeUser', { path, body: { role: 'admin', displayName: 'Boss' } })
  })

  test('is left over, whatever two administrators do to each other at once', async () => {
    const acts = [
      (by: Client, userId: string) =>
        by.call('changeUser', { path: { userId }, body: { role: 'user' } }),
      (by: Client, userId: string) => by.call('deleteUser', { path: { userId } }),
      (by: Client, userId: string) =>
        by.call('changeUser', { path: { userId }, body: { disabled: true } }),
    ]
    for (let round = 0; round < 21; round += 1) {
      const act = acts[round % acts.length]!
      const [one, other] = [last, (await made(lone, last, 'admin')).client]
      const ids = [await idOf(one), await idOf(other)]
      const answers = await Promise.all([act(one, ids[1]!), act(other, ids[0]!)])
      const left = await admins()
      expect(left).toHaveLength(1)
      expect(answers.filter(({ status }) => status < 300)).toHaveLength(1)
      last = left[0]!.id === ids[0] ? one : other
      await last.expect(200, 'listUsers')
    }
  }, 60_000)

  test('is left over when two leave at once', async () => {
    const { client } = await made(lone, last, 'admin')
    const answers = await Promise.all([last.call('closeAccount'), client.call('closeAccount')])
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 400])

    last = answers[0].status === 400 ? last : client
    expect(await admins()).toEqual([{ id: await idOf(last) }])
  })

  test('may be somebody who became one while leaving, and then stays', async () => {
    const { client, path } = await made(lone, last)
    const self = { userId: await idOf(last) }
    const over = watched.instead('atomically', async (real) => {
      over()
      await last.expect(200, 'changeUser', { path, body: { role: 'admin' } })
      await last.expect(200, 'changeUser', { path: self, body: { role: 'user' } })
      return real()
    })
    await client.refused('invalid-request', 'closeAccount')

    last = client

    expect(await admins()).toEqual([{ id: path.userId }])
  })

  test('is not one who has another: demoting, disabling, deleting oneself and leaving are free', async () => {
    const acts = [
      (self: Client, path: { userId: string }) =>
        self.expect(200, 'changeUser', { path, body: { role: 'user' } }),
      (self: Client, path: { userId: string }) =>
        self.expect(200, 'changeUser', { path, body: { disabled: true } }),
      (self: Client, path: { userId: string }) => self.expect(204, 'deleteUser', { path }),
      (self: Client) => self.expect(204, 'closeAccount'),
    ]
    const codes: (string | undefined)[] = []

    for (const act of acts) {
      const { client, path } = await made(lone, last, 'admin')
      await act(client, path)
      const { body } = await client.call('listUsers')
      codes.push((body as Problem).code)
    }

    expect(codes).toEqual([
      'insufficient-scope',
      'account-disabled',
      'token-invalid',
      'token-invalid',
    ])
    expect(await admins()).toHaveLength(1)
  })
})
