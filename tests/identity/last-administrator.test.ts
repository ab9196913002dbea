import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Problem } from '../../generated/api.ts'
import type { Client } from '../support/client.ts'
import { openTestStore, type TestStore } from '../support/database/database.ts'
import { databaseDump } from '../support/database/database-dump.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { spyOnStore, type SpyStore } from '../support/database/spy-store.ts'
import { createAccount, idOf } from './accounts.ts'

describe('the last administrator', () => {
  let server: TestServer
  let testStore: TestStore
  let watched: SpyStore
  /** The only administrator at the start and at the end of each test. */
  let last: Client
  beforeAll(async () => {
    testStore = await openTestStore()
    watched = spyOnStore(testStore.store)
    server = await startServer({ testStore, replacements: { deps: { store: watched.store } } })
    last = await server.admin()
  })
  afterAll(async () => {
    await server.close()
    await testStore.close()
  })

  const activeAdmins = () =>
    testStore.database.prisma.account.findMany({
      where: { role: 'admin', disabledAt: null, closedAt: null },
      select: { id: true },
    })

  test('cannot be demoted, disabled or deleted, nor close the account', async () => {
    const path = { userId: await idOf(last) }
    const disabled = await createAccount(server, last, 'admin')
    await last.expect(200, 'changeUser', { path: disabled.path, body: { disabled: true } })
    const before = await databaseDump(testStore.database)

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
    expect(await databaseDump(testStore.database)).toBe(before)
    await last.expect(200, 'changeUser', { path, body: { role: 'admin', displayName: 'Boss' } })
  })

  test('remains when two administrators demote, delete or disable each other concurrently', async () => {
    const acts = [
      (by: Client, userId: string) =>
        by.call('changeUser', { path: { userId }, body: { role: 'user' } }),
      (by: Client, userId: string) => by.call('deleteUser', { path: { userId } }),
      (by: Client, userId: string) =>
        by.call('changeUser', { path: { userId }, body: { disabled: true } }),
    ]

    for (let round = 0; round < 21; round += 1) {
      const act = acts[round % acts.length]!
      const [one, other] = [last, (await createAccount(server, last, 'admin')).client]
      const ids = [await idOf(one), await idOf(other)]

      const answers = await Promise.all([act(one, ids[1]!), act(other, ids[0]!)])

      const left = await activeAdmins()
      expect(left).toHaveLength(1)
      expect(answers.filter(({ status }) => status < 300)).toHaveLength(1)
      last = left[0]!.id === ids[0] ? one : other
      await last.expect(200, 'listUsers')
    }
  }, 60_000)

  test('remains when two administrators close their accounts concurrently', async () => {
    const { client } = await createAccount(server, last, 'admin')

    const answers = await Promise.all([last.call('closeAccount'), client.call('closeAccount')])

    expect(answers.map(({ status }) => status).sort()).toEqual([204, 400])
    last = answers[0].status === 400 ? last : client
    expect(await activeAdmins()).toEqual([{ id: await idOf(last) }])
  })

  test('cannot close the account if the role was given while the call was in progress', async () => {
    const { client, path } = await createAccount(server, last)
    const self = { userId: await idOf(last) }
    const restore = watched.instead('atomically', async (real) => {
      restore()
      await last.expect(200, 'changeUser', { path, body: { role: 'admin' } })
      await last.expect(200, 'changeUser', { path: self, body: { role: 'user' } })
      return real()
    })

    await client.refused('invalid-request', 'closeAccount')

    last = client
    expect(await activeAdmins()).toEqual([{ id: path.userId }])
  })

  test('may demote, disable, delete or close the own account once there is another administrator', async () => {
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
      const { client, path } = await createAccount(server, last, 'admin')
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
    expect(await activeAdmins()).toHaveLength(1)
  })
})
