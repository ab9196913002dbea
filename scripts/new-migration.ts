import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { packageRoot } from '../src/lib/package-root.ts'
import { embeddedMigrationAdapter } from '../src/store/database/embedded.ts'
import { migrationList } from '../src/store/migrations/migrate.ts'
import { migrationsDirectory, readMigrations } from '../src/store/migrations/migration-files.ts'
import { openSchemaEngine } from '../src/store/migrations/schema-engine.ts'

/** The SQL that prisma/migrations lack to make the schema; empty when they agree. */
export async function pendingMigrationSql(): Promise<string> {
  const path = join(packageRoot, 'prisma/schema.prisma')
  const schema = { files: [{ path: 'schema.prisma', content: await readFile(path, 'utf8') }] }
  const migrations = await readMigrations()
  const pglite = await PGlite.create()
  const adapter = embeddedMigrationAdapter(pglite)
  // The database is empty and thrown away, so it is its own shadow.
  const engine = await openSchemaEngine({ ...adapter, connectToShadowDb: () => adapter.connect() })
  try {
    const { exitCode, stdout } = await engine.diff({
      from: { tag: 'migrations', ...migrationList(migrations) },
      to: { tag: 'schemaDatamodel', ...schema },
      script: true,
      // Then 2 says that they differ; the text alone is a comment when they do not.
      exitCode: true,
      filters: { externalTables: [], externalEnums: [] },
    })
    return exitCode === 2 ? (stdout ?? '') : ''
  } finally {
    engine.free()
    await pglite.close()
  }
}

async function writeMigration(name: string | undefined): Promise<void> {
  if (!/^[a-z0-9_]+$/.test(name ?? '')) {
    throw new Error('Usage: npm run migration -- snake_case_name')
  }
  const sql = await pendingMigrationSql()
  if (sql === '') {
    console.log('The schema and the migrations agree: nothing to write.')
    return
  }
  const timestamp = new Date().toISOString().replace(/\D/g, '').slice(0, 14)
  const directory = join(migrationsDirectory, `${timestamp}_${String(name)}`)
  await mkdir(directory, { recursive: true })
  await writeFile(join(directory, 'migration.sql'), sql)
  console.log(`Wrote ${relative(packageRoot, directory)}: read it before you commit it.`)
}

if (import.meta.filename === process.argv[1]) await writeMigration(process.argv[2])
