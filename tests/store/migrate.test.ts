import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, inject, test } from 'vitest'
import { pendingMigrationSql } from '../../scripts/new-migration.ts'
import { migrate } from '../../src/store/migrate.ts'
import { readMigrations } from '../../src/store/migration-files.ts'
import { openEmptyDatabases } from '../support/database.ts'

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

test('the schema and the migrations agree', async () => {
  expect(await pendingMigrationSql()).toBe('')
})

test('an empty database gets every migration once, however often it is started', async () => {
  const names = (await readMigrations()).map(({ name }) => name)
  expect(await migrate(database())).toStrictEqual(names)
  expect(await migrate(database())).toStrictEqual([])
})

// One process at a time has an embedded database.
test.skipIf('snapshot' in inject('migrated'))(
  'of four instances that start at once on an empty database, one migrates',
  async () => {
    const applied = await Promise.all(opened.databases.map((instance) => migrate(instance)))
    const names = (await readMigrations()).map(({ name }) => name)
    expect(applied.flat()).toStrictEqual(names)
  },
)

test('a new migration is applied to a database that has the older ones', async () => {
  await write('1_trees', 'CREATE TABLE trees (id int);')
  await migrate(database(), directory)
  await write(
    '2_leaves',
    `CREATE TABLE leaves (note text DEFAULT ';'); INSERT INTO trees VALUES (1)`,
  )
  expect(await migrate(database(), directory)).toStrictEqual(['2_leaves'])
  expect(await database().prisma.$queryRaw`SELECT id FROM trees`).toStrictEqual([{ id: 1 }])
})

test('an edited migration stops the start and is named', async () => {
  await write('1_trees', 'CREATE TABLE trees (id int);')
  await migrate(database(), directory)
  await write('1_trees', 'CREATE TABLE trees (id bigint);')
  await expect(migrate(database(), directory)).rejects.toThrow(/1_trees was edited/)
})

test('a failing migration changes nothing, and stops this start and the next', async () => {
  await write('1_trees', 'CREATE TABLE trees (id int); SELECT missing FROM nowhere;')
  await expect(migrate(database(), directory)).rejects.toThrow(/nowhere/)
  const tables = await database().prisma.$queryRaw`SELECT to_regclass('trees')::text AS trees`
  expect(tables).toStrictEqual([{ trees: null }])
  await expect(migrate(database(), directory)).rejects.toThrow(/nowhere/)
})
