import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { expect, inject, test } from 'vitest'
import { statementNames } from '../../src/store/database/server.ts'
import { DatabaseUnavailable, openStore } from '../../src/store/store.ts'
import { guarded } from '../../src/store/database/unavailable.ts'
import { openTestStore } from '../support/database/database.ts'
import { administer } from '../support/database/server-database.ts'
import { now } from './given.ts'

test('every kind of call fails with DatabaseUnavailable after the store was closed', async () => {
  const { store, close } = await openTestStore()
  await store.ping()
  await close()
  const [id, ownerId] = [randomUUID(), randomUUID()]
  const calls = [
    () => store.ping(),
    () => store.accounts.find(id),
    () => store.accounts.create({ id, role: 'user', displayName: 'A', now }),
    () => store.sessions.revokeOwned({ accountId: id, now }),
    () => store.atomically((nouns) => nouns.sessions.find(id)),
    () => store.conversations.list({ ownerId, limit: 1 }),
    () => store.generations.renewLeases({ ids: [id], leaseUntil: now }),
  ]

  for (const call of calls) await expect(call()).rejects.toThrow(DatabaseUnavailable)
})

test('openStore fails with DatabaseUnavailable when no server listens', async () => {
  const databaseUrl = 'postgresql://nobody@127.0.0.1:1/nothing'

  await expect(openStore({ databaseUrl })).rejects.toThrow(DatabaseUnavailable)
})

test('openStore fails with DatabaseUnavailable when the server does not answer', async () => {
  const silent = createServer().listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const { port } = silent.address() as AddressInfo
  const databaseUrl = `postgresql://nobody@127.0.0.1:${String(port)}/nothing`

  await expect(openStore({ databaseUrl })).rejects.toThrow(DatabaseUnavailable)
  silent.close()
})

test('a wrong statement does not count as an unavailable database', async () => {
  const { store, database, close } = await openTestStore()
  const { wrong } = guarded({ wrong: () => database.prisma.$queryRaw`SELECT missing` })

  await expect(wrong()).rejects.not.toThrow(DatabaseUnavailable)
  await store.ping()
  await close()
})

test.skipIf('snapshot' in inject('migrated'))(
  'connections that the server closes fail at most with DatabaseUnavailable and are replaced',
  async () => {
    const { store, options, close } = await openTestStore()
    const find = () => store.accounts.find(randomUUID())
    await Promise.all(Array.from({ length: 5 }, find))

    await administer(
      options.databaseUrl ?? '',
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND pid <> pg_backend_pid()`,
    )
    const found = await Promise.allSettled(Array.from({ length: 20 }, find))

    const reasons = found.filter((result) => result.status === 'rejected').map((r) => r.reason)
    for (const reason of reasons) expect(reason).toBeInstanceOf(DatabaseUnavailable)
    expect(await find()).toBeUndefined()
    await close()
  },
)

test.skipIf('snapshot' in inject('migrated'))(
  'a statement that takes longer than five seconds fails with DatabaseUnavailable',
  async () => {
    const { database, close } = await openTestStore()
    const { wait } = guarded({ wait: () => database.prisma.$queryRaw`SELECT pg_sleep(9)::text` })

    await expect(wait()).rejects.toThrow(DatabaseUnavailable)
    await close()
  },
)

test('statements beyond the limit get no name, so that prepared statements cannot accumulate', () => {
  const name = statementNames(2)

  const names = ['a', 'b', 'c', 'a'].map((sql) => name({ sql }))

  expect(names).toStrictEqual(['parley_0', 'parley_1', '', 'parley_0'])
})
