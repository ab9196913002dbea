import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { inject } from 'vitest'
import {
  openDatabase,
  type Database,
  type DatabaseOptions,
} from '../../../src/store/database/database.ts'
import { migrate } from '../../../src/store/migrations/migrate.ts'
import { storeOf, type Store } from '../../../src/store/store.ts'
import { createDatabase, dropDatabase } from './server-database.ts'

export type TestStore = {
  store: Store
  database: Database
  /** With these, `openStore` opens the same database on a server, or another copy in memory. */
  options: DatabaseOptions
  close(): Promise<void>
}

/** Opens a new migrated, empty database; close it when the test file ends. */
export async function openTestStore(): Promise<TestStore> {
  const { options, drop } = await prepare()
  return testStoreOf(await openDatabase(options), options, drop)
}

/** As `openTestStore`, but always embedded: for tests that need the same order every time. */
export async function openEmbeddedTestStore(): Promise<TestStore> {
  if ('snapshot' in inject('migrated')) return openTestStore()
  const database = await openDatabase({})
  await migrate(database)
  return testStoreOf(database, {}, async () => {})
}

function testStoreOf(
  database: Database,
  options: DatabaseOptions,
  drop: () => Promise<void>,
): TestStore {
  const store = storeOf(database)
  const close = async () => {
    await store.close()
    await drop()
  }
  return { store, database, options, close }
}

/** Opens a database without tables `instances` times; an embedded one only once. */
export async function openEmptyDatabases(
  instances: number,
): Promise<{ databases: Database[]; close(): Promise<void> }> {
  const migrated = inject('migrated')
  if ('snapshot' in migrated) {
    const database = await openDatabase({})
    return { databases: [database], close: () => database.close() }
  }
  const name = `parley_test_${randomUUID()}`
  const databaseUrl = await createDatabase(migrated.serverUrl, name)
  const opened = Array.from({ length: instances }, () => openDatabase({ databaseUrl }))
  const databases = await Promise.all(opened)
  const close = async () => {
    await Promise.all(databases.map((database) => database.close()))
    await dropDatabase(migrated.serverUrl, name)
  }
  return { databases, close }
}

async function prepare(): Promise<{ options: DatabaseOptions; drop: () => Promise<void> }> {
  const migrated = inject('migrated')
  if ('snapshot' in migrated) {
    const loadDataDir = new Blob([await readFile(migrated.snapshot)])
    return { options: { loadDataDir }, drop: async () => {} }
  }
  const { serverUrl, template } = migrated
  const name = `parley_test_${randomUUID()}`
  const databaseUrl = await createDatabase(serverUrl, name, template)
  return { options: { databaseUrl }, drop: () => dropDatabase(serverUrl, name) }
}

/** Creates a database without tables on the server. @throws without TEST_DATABASE_URL */
export async function openEmptyServerDatabase(): Promise<{
  url: string
  drop: () => Promise<void>
}> {
  const migrated = inject('migrated')
  if ('snapshot' in migrated) throw new Error('Only with TEST_DATABASE_URL')
  const { serverUrl } = migrated
  const name = `parley_test_${randomUUID()}`
  const url = await createDatabase(serverUrl, name)
  return { url, drop: () => dropDatabase(serverUrl, name) }
}
