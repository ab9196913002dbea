import type { Database } from '../database/database.ts'
import { requireUtf8 } from '../database/encoding.ts'
import { migrationsDirectory, readMigrations, type Migration } from './migration-files.ts'
import { StartRefused } from '../../ports/start-refused.ts'
import { openSchemaEngine, type MigrationList } from './schema-engine.ts'
import type { LockedMigration } from '../database/server.ts'
import { driverFailure } from '../database/unavailable.ts'

/** The database cannot get the schema of this version; the message says what to do. */
export class MigrationFailed extends StartRefused {
  override readonly name = 'MigrationFailed'
}

/**
 * Applies the migrations that the database lacks; returns their names. Where several instances start at the
 * same time, one of them applies each migration while the others wait. A database that is up to date costs
 * one query.
 * @throws MigrationFailed when one fails, was left unfinished, or was edited after it was applied.
 * @throws StartRefused when there is something to migrate and the database is not in UTF-8
 */
export async function migrate(
  database: Database,
  directory = migrationsDirectory,
): Promise<string[]> {
  const migrations = await readMigrations(directory)
  const history = await readHistory(database)
  if (isInOrder(migrations, history)) return []
  return migrateLocked(database, migrations)
}

/**
 * Checks that a database has the schema of this version; changes nothing.
 * @throws MigrationFailed when it has not
 */
export async function requireMigrated(database: Database): Promise<void> {
  if (isInOrder(await readMigrations(), await readHistory(database))) return
  throw new MigrationFailed(
    'The schema of the database does not match this version of Parley: start a server of this version on it first.',
  )
}

async function migrateLocked(database: Database, migrations: Migration[]): Promise<string[]> {
  await requireUtf8(database)
  const lock = await database.lockForMigration()
  try {
    // Read again under the lock: another instance may have applied them all.
    const history = await readHistory(database)
    if (isInOrder(migrations, history)) return []
    refuseBroken(migrations, history)
    return await apply(lock, migrations)
  } finally {
    await lock.release()
  }
}

/** Each migration and its row in one transaction: a killed process leaves both or neither. */
async function apply(lock: LockedMigration, migrations: Migration[]): Promise<string[]> {
  const engine = await openSchemaEngine(lock.factory)
  const applied: string[] = []
  try {
    for (const index of migrations.keys()) {
      const { appliedMigrationNames } = await lock.transaction(() =>
        engine.applyMigrations({
          migrationsList: migrationList(migrations.slice(0, index + 1)),
          filters: { externalTables: [], externalEnums: [] },
        }),
      )
      applied.push(...appliedMigrationNames)
    }
    return applied
  } catch (error) {
    throw new MigrationFailed(
      `A migration failed, and no part of it was kept: ${driverFailure(error).text}`,
      { cause: error },
    )
  } finally {
    engine.free()
  }
}

/** The form in which Prisma's engine takes migrations: it reads no file itself. */
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
    // undefined_table: no migration was ever applied.
    if (driverFailure(error).code === '42P01') return []
    throw error
  }
}

/** Every migration of this version is applied, and none of any version is unfinished. */
function isInOrder(migrations: Migration[], history: Applied[]): boolean {
  if (history.some((row) => !row.finished)) return false
  const done = new Set(history.filter((row) => row.finished).map(identity))
  return migrations.every((migration) => done.has(identity(migration)))
}

function identity({ name, checksum }: { name: string; checksum: string }): string {
  return `${name} ${checksum}`
}

function refuseBroken(migrations: Migration[], history: Applied[]): void {
  const failed = history.find((row) => !row.finished)
  if (failed) {
    throw new MigrationFailed(
      `The migration ${failed.name} was started but not finished. Restore the database from an earlier backup, or, if the migration left nothing behind, delete its row from _prisma_migrations. Then start again.`,
    )
  }
  const checksums = new Map(migrations.map(({ name, checksum }) => [name, checksum]))
  const edited = history.find(
    ({ name, checksum }) => (checksums.get(name) ?? checksum) !== checksum,
  )
  if (!edited) return
  throw new MigrationFailed(
    `The migration ${edited.name} was edited after it was applied: restore its file, or start the version of Parley that it belongs to.`,
  )
}
