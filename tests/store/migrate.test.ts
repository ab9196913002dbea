import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import type { PrismaClient } from '../../generated/prisma/client.ts'
import { pendingMigrationSql } from '../../scripts/new-migration.ts'
import { migrate } from '../../src/store/migrations/migrate.ts'
import { checkSchema, tablesMadeBy } from '../../src/store/migrations/schema-check.ts'
import { readMigrations } from '../../src/store/migrations/migration-files.ts'
import { queryIn } from '../../src/store/database/query.ts'
import { openEmptyDatabases } from '../support/database/database.ts'

let directory: string
let opened: Awaited<ReturnType<typeof openEmptyDatabases>>
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'parley-migrations-'))
  opened = await openEmptyDatabases(4)
})
afterEach(async () => {
  await opened.close()
  await rm(directory, { recursive: true })
})

async function write(name: string, sql: string): Promise<void> {
  await mkdir(join(directory, name), { recursive: true })
  await writeFile(join(directory, name, 'migration.sql'), sql)
}

function database() {
  const [first] = opened.databases
  if (!first) throw new Error('No database was opened')
  return first
}

test('the Prisma schema and the migrations agree', async () => {
  expect(await pendingMigrationSql()).toBe('')
})

test('every migration is applied to an empty database once', async () => {
  const names = (await readMigrations()).map(({ name }) => name)

  expect(await migrate(database())).toStrictEqual(names)
  expect(await migrate(database())).toStrictEqual([])
})

// Only one process can open an embedded database.
test.skipIf('snapshot' in inject('migrated'))(
  'each migration is applied by one of four instances that start at the same time',
  async () => {
    const applied = await Promise.all(opened.databases.map((instance) => migrate(instance)))

    const names = (await readMigrations()).map(({ name }) => name)
    expect(applied.flat().sort()).toStrictEqual(names)
  },
)

test('a new migration is applied after the older ones', async () => {
  await write('1_trees', 'CREATE TABLE trees (id int);')
  await migrate(database(), directory)

  await write(
    '2_leaves',
    `CREATE TABLE leaves (note text DEFAULT ';'); INSERT INTO trees VALUES (1)`,
  )

  expect(await migrate(database(), directory)).toStrictEqual(['2_leaves'])
  expect(await database().prisma.$queryRaw`SELECT id FROM trees`).toStrictEqual([{ id: 1 }])
})

test('an edited migration fails the start and is named', async () => {
  await write('1_trees', 'CREATE TABLE trees (id int);')
  await migrate(database(), directory)

  await write('1_trees', 'CREATE TABLE trees (id bigint);')

  await expect(migrate(database(), directory)).rejects.toThrow(/1_trees was edited/)
})

test('a failing migration changes nothing and is tried again at the next start', async () => {
  await write('1_trees', 'CREATE TABLE trees (id int); SELECT missing FROM nowhere;')

  await expect(migrate(database(), directory)).rejects.toThrow(/nowhere/)
  const tables = await database().prisma.$queryRaw`SELECT to_regclass('trees')::text AS trees`
  expect(tables).toStrictEqual([{ trees: null }])
  await expect(migrate(database(), directory)).rejects.toThrow(/nowhere/)

  // The failure left no row that blocks the corrected migration.
  await write('1_trees', 'CREATE TABLE trees (id int);')
  expect(await migrate(database(), directory)).toStrictEqual(['1_trees'])
})

// Only a database server survives the loss of a connection.
test.skipIf('snapshot' in inject('migrated'))(
  'a migration whose connection breaks is rolled back and applied at the next start',
  async () => {
    await write('1_trees', 'CREATE TABLE trees (id int);')
    await write(
      '2_leaves',
      'CREATE TABLE leaves (id int); SELECT pg_terminate_backend(pg_backend_pid());',
    )

    await expect(migrate(database(), directory)).rejects.toThrow()
    const rows = await database().prisma.$queryRaw`SELECT migration_name FROM _prisma_migrations`
    expect(rows).toStrictEqual([{ migration_name: '1_trees' }])
    await write('2_leaves', 'CREATE TABLE leaves (id int);')
    expect(await migrate(database(), directory)).toStrictEqual(['2_leaves'])
  },
)

/** Writes the row of a migration, as another version or another program does. */
async function insertMigrationRow(name: string, state: { finished: boolean }): Promise<void> {
  const finishedAt = state.finished ? new Date() : null
  await database().prisma.$executeRaw`
    INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at)
    VALUES (${name}, 'none', ${name}, ${finishedAt}::timestamptz)`
}

test.each(['1_trees', '9_unknown'])(
  'a migration that was started but not finished fails the start: %s',
  async (name) => {
    await write('0_roots', 'CREATE TABLE roots (id int);')
    await migrate(database(), directory)

    await insertMigrationRow(name, { finished: false })

    const refusal = new RegExp(`${name} was started but not finished`)
    await expect(migrate(database(), directory)).rejects.toThrow(refusal)
  },
)

test('a migration of a newer version does not fail the start and is named', async () => {
  await write('1_trees', 'CREATE TABLE trees (id int);')
  await migrate(database(), directory)
  expect(await checkSchema(database(), directory)).toStrictEqual([])

  await insertMigrationRow('9_newer', { finished: true })
  expect(await migrate(database(), directory)).toStrictEqual([])
  expect(await checkSchema(database(), directory)).toStrictEqual(['9_newer'])
})

test('a missing table fails the start and is named', async () => {
  await write('1_trees', 'CREATE TABLE trees (id int);')
  await migrate(database(), directory)

  await database().prisma.$executeRaw`DROP TABLE trees`

  await expect(checkSchema(database(), directory)).rejects.toThrow(/lacks trees/)
})

test('tablesMadeBy finds every table that the migrations create', async () => {
  await migrate(database())
  const tables = await database().prisma.$queryRaw<{ name: string }[]>`
    SELECT table_name::text AS name FROM information_schema.tables
    WHERE table_schema = 'public' AND table_name <> '_prisma_migrations'`

  const names = tablesMadeBy((await readMigrations()).map(({ sql }) => sql))

  expect(names.sort()).toStrictEqual(tables.map(({ name }) => name).sort())
})

test.skipIf('snapshot' in inject('migrated'))(
  'a read-only database and missing rights on a table fail the start',
  async () => {
    await write('1_trees', 'CREATE TABLE trees (id int);')
    await migrate(database(), directory)
    const { prisma } = database()
    const role = `parley_guest_${String(process.pid)}`
    await prisma.$executeRawUnsafe(`CREATE ROLE ${role}`)

    try {
      await prisma.$transaction(async (guest) => {
        await guest.$executeRawUnsafe(`GRANT SELECT ON _prisma_migrations TO ${role}`)
        await guest.$executeRawUnsafe(`SET LOCAL ROLE ${role}`)
        const asGuest = { ...database(), query: queryIn(guest as PrismaClient) }
        await expect(checkSchema(asGuest, directory)).rejects.toThrow(/cannot read and write trees/)
      })
      await prisma.$transaction(async (reader) => {
        await reader.$executeRaw`SET LOCAL transaction_read_only = on`
        const readOnly = { ...database(), query: queryIn(reader as PrismaClient) }
        await expect(checkSchema(readOnly, directory)).rejects.toThrow(/read-only/)
      })
    } finally {
      await prisma.$executeRawUnsafe(`DROP OWNED BY ${role}`)
      await prisma.$executeRawUnsafe(`DROP ROLE ${role}`)
    }
  },
)
