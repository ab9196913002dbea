import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, inject, onTestFinished, test } from 'vitest'
import { openDatabase } from '../../src/store/database/database.ts'
import { openLimitCounters } from '../../src/store/limit-counters.ts'
import { migrate } from '../../src/store/migrations/migrate.ts'
import { CopyRefused } from '../../src/store/copy-to-postgres/ask.ts'
import { copyToPostgres } from '../../src/store/copy-to-postgres/copy-to-postgres.ts'
import { openMigratedStore, openStore, storeOf, type Store } from '../../src/store/store.ts'
import { openEmptyServerDatabase } from '../support/database/database.ts'
import { administer, dropDatabase, queryServer } from '../support/database/server-database.ts'
import { ending, givenAccount, givenStarted, newGeneration, now } from './given.ts'

/* All objects of a Parley are in the schema that its URL names. */

describe.skipIf('snapshot' in inject('migrated'))('the schema in the URL', () => {
  let url: string
  let drop: () => Promise<void>
  let roles: string[]
  beforeEach(async () => {
    roles = []
    ;({ url, drop } = await openEmptyServerDatabase())
  })
  afterEach(async () => {
    await drop()
    for (const role of roles) await administer(serverOf(url), `DROP ROLE "${role}"`)
  })

  const inSchema = (name: string, from = url) => `${from}?schema=${encodeURIComponent(name)}`

  /** The number of objects of each kind in each schema, without those of PostgreSQL itself. */
  const countObjects = () =>
    queryServer(
      url,
      `SELECT n.nspname AS schema,
        (SELECT count(*)::int FROM pg_class WHERE relnamespace = n.oid AND relkind = 'r') AS tables,
        (SELECT count(*)::int FROM pg_proc WHERE pronamespace = n.oid) AS functions,
        (SELECT count(*)::int FROM pg_type WHERE typnamespace = n.oid AND typtype = 'e') AS enums
       FROM pg_namespace n WHERE nspname !~ '^pg_|^information_schema$' ORDER BY 1`,
    )

  /** Writes an account and an answer, so that all triggers and functions run. Returns the id of the account. */
  async function writeAnswer(store: Store): Promise<string> {
    const { id } = await givenAccount(store)
    const generation = newGeneration(id)
    await givenStarted(store, generation)
    await store.generations.finish(ending(generation))
    await store.atomically((nouns) => nouns.accounts.lockName(id))
    expect(
      (await store.conversations.search({ ownerId: id, text: 'TREE', limit: 9 })).found,
    ).toHaveLength(1)
    return id
  }

  test('is created and contains all tables, types and functions', async () => {
    const store = await openStore({ databaseUrl: inSchema('채팅-room') })
    await writeAnswer(store)
    await store.close()

    expect(await countObjects()).toEqual([
      { schema: 'public', tables: 0, functions: 0, enums: 0 },
      { schema: '채팅-room', tables: 15, functions: 8, enums: 6 },
    ])
  })

  test('separates the accounts, limits and reports of three Parleys in one database', async () => {
    const urls = [url, inSchema('chat'), inSchema('Other')]
    const stores = await Promise.all(urls.map((databaseUrl) => openStore({ databaseUrl })))
    const counters = urls.map(openLimitCounters)

    for (const [index, store] of stores.entries()) {
      const id = await writeAnswer(store)
      const requested = [{ key: 'k', points: 1, windowSeconds: 60, quota: 1 }]
      expect((await counters[index]!.take([requested]))[0]![0]!.consumed).toBe(1)
      for (const other of stores) {
        expect((await other.accounts.find(id)) !== undefined).toBe(other === store)
      }
    }
    const reports = stores.map((store) =>
      store.usage.report({
        from: new Date(0),
        to: new Date(now.getTime() + 1e9),
        granularity: 'day',
      }),
    )
    expect((await Promise.all(reports)).map(([day]) => day!.requests)).toEqual([1, 1, 1])
    await Promise.all([...stores, ...counters].map((one) => one.close()))
    expect((await countObjects()).map(({ tables }) => tables)).toEqual([15, 15, 15])
  })

  test('can be migrated while another schema is being migrated', async () => {
    const [ours, others] = await Promise.all(
      ['chat', 'other'].map((name) => openDatabase({ databaseUrl: inSchema(name) })),
    )
    const lock = await others!.lockForMigration()

    expect(await migrate(ours!)).not.toEqual([])
    await lock.release()
    await Promise.all([ours!.close(), others!.close()])
  })

  test('must exist for a role that may not create it; otherwise the start is refused with the command', async () => {
    const role = `parley_test_${randomUUID()}`
    roles.push(role)
    await administer(url, `CREATE ROLE "${role}" LOGIN`)
    const roleUrl = Object.assign(new URL(url), { username: role }).href

    await expect(openStore({ databaseUrl: inSchema('chat', roleUrl) })).rejects.toThrow(
      /schema chat does not exist.*CREATE SCHEMA "chat"/,
    )
    await administer(url, 'CREATE SCHEMA chat')
    await expect(openStore({ databaseUrl: inSchema('chat', roleUrl) })).rejects.toThrow()
    await administer(url, `ALTER SCHEMA chat OWNER TO "${role}"`)
    const store = await openStore({ databaseUrl: inSchema('chat', roleUrl) })
    await writeAnswer(store)
    await store.close()
  })

  test('is the only one that commands beside the server use', async () => {
    await (await openStore({ databaseUrl: inSchema('chat') })).close()

    await (await openMigratedStore({ databaseUrl: inSchema('chat') })).close()
    await expect(openMigratedStore({ databaseUrl: url })).rejects.toThrow('start a server')
    await expect(openMigratedStore({ databaseUrl: inSchema('x') })).rejects.toThrow(
      'start a server',
    )
  })

  test('is the target of a move and leaves another Parley in the database unchanged', async () => {
    const other = await openStore({ databaseUrl: url })
    await writeAnswer(other)
    await other.close()
    const dataDir = await mkdtemp(join(tmpdir(), 'parley-schemas-'))
    const source = await openDatabase({ dataDir })
    await migrate(source)
    const id = await writeAnswer(storeOf(source))
    await source.close()

    await copyToPostgres(dataDir, inSchema('chat'))

    const moved = await openMigratedStore({ databaseUrl: inSchema('chat') })
    expect(await moved.accounts.find(id)).toBeDefined()
    await writeAnswer(moved)
    await moved.close()
    expect(await queryServer(url, 'SELECT count(*)::int AS n FROM public.accounts')).toEqual([
      { n: 1 },
    ])
    await expect(copyToPostgres(dataDir, inSchema('chat'))).rejects.toThrow(CopyRefused)
    await rm(dataDir, { recursive: true })
  }, 120_000)
})

describe.skipIf('snapshot' in inject('migrated'))('a database with the encoding', () => {
  test.each(['LATIN1', 'SQL_ASCII', 'EUC_KR'])(
    '%s is refused and left unchanged',
    async (encoding) => {
      const { serverUrl } = inject('migrated') as { serverUrl: string }
      const name = `parley_test_${randomUUID()}`
      const creation = `CREATE DATABASE "${name}" TEMPLATE template0 ENCODING '${encoding}' LOCALE 'C'`
      await administer(serverUrl, creation)
      onTestFinished(() => dropDatabase(serverUrl, name))
      const databaseUrl = Object.assign(new URL(serverUrl), { pathname: `/${name}` }).href

      const start = openStore({ databaseUrl: `${databaseUrl}?schema=chat` })

      await expect(start).rejects.toThrow(`encoded in ${encoding}`)
      const schemas = `SELECT count(*)::int AS n FROM pg_namespace WHERE nspname = 'chat'`
      expect(await queryServer(databaseUrl, schemas)).toEqual([{ n: 0 }])
    },
  )
})

const serverOf = (url: string) => Object.assign(new URL(url), { pathname: '/postgres' }).href
