import type { Database } from '../database/database.ts'
import { refuseEncoding } from '../database/encoding.ts'
import { MigrationFailed } from './migrate.ts'
import { readMigrations } from './migration-files.ts'
import { StartRefused } from '../../ports/start-refused.ts'

type Findings = {
  encoding: string
  readOnly: boolean
  missing: string[]
  forbidden: string[]
  newer: string[]
}

/**
 * Checks, in one query, whether a migrated database can be used.
 * @returns the migrations in it that this version does not know: those of a newer one
 * @throws MigrationFailed if a table is missing
 * @throws StartRefused if the database can only be read, is not in UTF-8, or a table cannot be used
 */
export async function checkSchema(database: Database, directory?: string): Promise<string[]> {
  const migrations = await readMigrations(directory)
  const tables = tablesMadeBy(migrations.map(({ sql }) => sql))
  const known = migrations.map(({ name }) => name)
  const [found] = await database.query<[Findings]>`
    WITH made AS (SELECT quote_ident(name) AS name FROM unnest(${tables}::text[]) AS name)
    SELECT current_setting('server_encoding') AS encoding,
      current_setting('transaction_read_only') = 'on' AS "readOnly",
      ARRAY(SELECT name FROM made WHERE to_regclass(name) IS NULL) AS missing,
      ARRAY(
        SELECT name FROM made WHERE to_regclass(name) IS NOT NULL AND NOT (
          has_table_privilege(to_regclass(name), 'SELECT')
          AND has_table_privilege(to_regclass(name), 'INSERT')
          AND has_table_privilege(to_regclass(name), 'UPDATE')
          AND has_table_privilege(to_regclass(name), 'DELETE')
        )
      ) AS forbidden,
      ARRAY(
        SELECT migration_name::text FROM _prisma_migrations
        WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL
          AND migration_name <> ALL(${known}::text[])
        ORDER BY migration_name
      ) AS newer`
  refuseUnusable(found)
  return found.newer
}

function refuseUnusable({ encoding, readOnly, missing, forbidden }: Findings): void {
  refuseEncoding(encoding)
  if (missing.length > 0) {
    throw new MigrationFailed(
      `The database lacks ${missing.join(', ')}, although its migrations have been applied: restore the database from a backup.`,
    )
  }
  if (readOnly) {
    throw new StartRefused(
      'The database in DATABASE_URL is read-only, like a standby: name the primary server.',
    )
  }
  if (forbidden.length === 0) return
  throw new StartRefused(
    `The user in DATABASE_URL cannot read and write ${forbidden.join(', ')}: make that user the owner, or grant SELECT, INSERT, UPDATE and DELETE to it.`,
  )
}

/** The tables that exist after all of these. */
export function tablesMadeBy(scripts: readonly string[]): string[] {
  const tables = new Set<string>()
  for (const script of scripts) {
    for (const [, verb, name] of script.matchAll(/^\s*(CREATE|DROP) TABLE "?(\w+)"?/gm)) {
      if (verb === 'CREATE') tables.add(name!)
      else tables.delete(name!)
    }
  }
  return [...tables]
}
