import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { copyDocsAssets } from '../../../scripts/copy-docs-assets.ts'
import { embeddedDatabase, openDatabase } from '../../../src/store/database/database.ts'
import { openEmbedded } from '../../../src/store/database/embedded.ts'
import { migrate } from '../../../src/store/migrations/migrate.ts'
import { createDatabase, dropDatabase } from '../database/server-database.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** What every test database starts as: already migrated. */
    migrated: { snapshot: string } | { serverUrl: string; template: string }
  }
}

/**
 * Migrates once for all test files: into a snapshot of PGlite, or into a template database on
 * the server that TEST_DATABASE_URL names.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await copyDocsAssets()
  const serverUrl = process.env['TEST_DATABASE_URL']
  if (serverUrl !== undefined) return makeTemplate(project, serverUrl)
  return makeSnapshot(project)
}

async function makeTemplate(project: TestProject, serverUrl: string) {
  const template = `parley_template_${String(process.pid)}`
  const database = await openDatabase({ databaseUrl: await createDatabase(serverUrl, template) })
  await migrate(database)
  await database.close()
  project.provide('migrated', { serverUrl, template })
  return () => dropDatabase(serverUrl, template)
}

async function makeSnapshot(project: TestProject) {
  const directory = await mkdtemp(join(tmpdir(), 'parley-snapshot-'))
  const embedded = await openEmbedded({})
  const database = embeddedDatabase(embedded)
  await migrate(database)
  const snapshot = join(directory, 'migrated.tar')
  const dump = await embedded.pglite.dumpDataDir('none')
  await writeFile(snapshot, new Uint8Array(await dump.arrayBuffer()))
  await database.close()
  project.provide('migrated', { snapshot })
  return () => rm(directory, { recursive: true, force: true })
}
