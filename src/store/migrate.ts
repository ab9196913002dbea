import type { Database } from './database.ts'
import { migrationsDirectory, readMigrations, type Migration } from './migration-files.ts'
import { openSchemaEngine, type MigrationList } from './schema-engine.ts'
import type { LockedMigration } from './server.ts'
import { driverFailure } from './unavailable.ts'

/** The database cannot be brought to the schema of this version; the message says what to do. */
export class MigrationFailed extends Error {
  override readonly name = 'MigrationFailed'
}

/**
 * Brings the database to the newest migration and returns the names of those applied now.
 * Several instances may start at once: one migrates, the others wait. A database that is up
 * to date costs one query.
 * @throws MigrationFailed when one fails, failed earlier, or was edited after it was applied.
 */
export async function migrate(
  database: Database,
  directory = migrationsDirectory,
): Promise<string[]> {
  const migrations = await readMigrations(directory)
  if (arePending(migrations, await readHistory(database))) {
    return migrateLocked(database, migrations)
  }
  return []
}

async function migrateLocked(database: Database, migrations: Migration[]): Promise<string[]> {
  const lock = await database.lockForMigration()
  try {
    // Read again: while this instance waited for the lock, another may have done it all.
    const history = await readHistory(database)
    if (!arePending(migrations, history)) return []
    refuseBroken(migrations, history)
    return await apply(lock, migrations)
  } finally {
    await lock.release()
  }
}

async function apply({ factory }: LockedMigration, migrations: Migration[]): Promise<string[]> {
  const engine = await openSchemaEngine(factory)
  try {
    const { appliedMigrationNames } = await engine.applyMigrations({
      migrationsList: migrationList(migrations),
      filters: { externalTables: [], externalEnums: [] },
    })
    return appliedMigrationNames
  } catch (error) {
    throw new MigrationFailed(`A migration failed: ${driverFailure(error).text}`, { cause: error })
  } finally {
    engine.free()
  }
}

/** The form in which Prisma's engine takes migrations; it reads no file itself. */
export function migrationList(migrations: Migration[]): MigrationList {
  return {
    baseDir: 'prisma/migrations',
    lockfile: { path: 'migration_lock.toml', content: 'provider = "postgresql"\n' },
    shadowDbInitScript: '',
    migrationDirectories: migrations.map(({ name, sql }) => ({
      path: name,
      migrationFile: { path: 'migration.sql', content: { tag: 'ok', value: sql } },
    })),
  }
}

type Applied = { name: string; checksum: string; finished: boolean }

async function readHistory({ prisma }: Database): Promise<Applied[]> {
  try {
    return await prisma.$queryRaw<Applied[]>`
      SELECT migration_name AS name, checksum, finished_at IS NOT NULL AS finished
      FROM _prisma_migrations WHERE rolled_back_at IS NULL`
  } catch (error) {
    // undefined_table: nothing has ever been applied here.
    if (driverFailure(error).code === '42P01') return []
    throw error
  }
}

function arePending(migrations: Migration[], history: Applied[]): boolean {
  const done = new Set(history.filter((row) => row.finished).map(identity))
  return !migrations.every((migration) => done.has(identity(migration)))
}

function identity({ name, checksum }: { name: string; checksum: string }): string {
  return `${name} ${checksum}`
}

function refuseBroken(migrations: Migration[], history: Applied[]): void {
  const failed = history.find((row) => !row.finished)
  if (failed) {
    throw new MigrationFailed(
      `The migration ${failed.name} failed earlier and changed nothing: see its row in _prisma_migrations, repair the cause, delete the row and start again`,
    )
  }
  const checksums = new Map(migrations.map(({ name, checksum }) => [name, checksum]))
  const edited = history.find(
    ({ name, checksum }) => (checksums.get(name) ?? checksum) !== checksum,
  )
  if (!edited) return
  throw new MigrationFailed(
    `The migration ${edited.name} was edited after it was applied: restore its file and write a new migration`,
  )
}
