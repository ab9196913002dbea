import pg from 'pg'
import { type Ask, CopyRefused } from './ask.ts'

const MIGRATIONS = '_prisma_migrations'

export type Trigger = { table: string; name: string }

/** @throws CopyRefused where the two databases do not have the same tables and columns */
export async function refuseOtherVersion(source: Ask, target: Ask): Promise<void> {
  const [ours, theirs] = await Promise.all([source, target].map(schemaOf))
  if (ours === theirs) return
  throw new CopyRefused(
    'The embedded database belongs to another version of Parley: start this version on it once, stop it, then move the data.',
  )
}

/** Every column of every table, in order: rows are copied whole. */
async function schemaOf(ask: Ask): Promise<string> {
  const columns = await ask(
    `SELECT table_name, column_name, udt_name FROM information_schema.columns
     WHERE table_schema = current_schema() ORDER BY table_name COLLATE "C", ordinal_position`,
  )
  return JSON.stringify(columns)
}

/** Every table but the list of migrations, each after those that it refers to. */
export async function tablesInOrder(ask: Ask): Promise<string[]> {
  const tables = await ask(
    `SELECT table_name AS name FROM information_schema.tables
     WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' ORDER BY 1`,
  )
  const references = await ask(
    `SELECT conrelid::regclass::text AS "from", confrelid::regclass::text AS "to"
     FROM pg_constraint WHERE contype = 'f' AND conrelid <> confrelid
       AND connamespace = current_schema()::regnamespace`,
  )
  const ordered = new Set<string>()
  const add = (name: string): void => {
    for (const { from, to } of references) if (from === name && !ordered.has(to!)) add(to!)
    ordered.add(name)
  }
  for (const { name } of tables) if (name !== MIGRATIONS) add(name!)
  return [...ordered]
}

/** The triggers of the schema, without those of foreign keys: these check what arrives. */
export async function triggersOf(ask: Ask): Promise<Trigger[]> {
  const triggers = await ask(
    `SELECT relname AS table, tgname AS name FROM pg_trigger
     JOIN pg_class c ON c.oid = tgrelid
     WHERE NOT tgisinternal AND relnamespace = current_schema()::regnamespace`,
  )
  return triggers.map(({ table, name }) => ({ table: table!, name: name! }))
}

export function switched(to: 'DISABLE' | 'ENABLE', { table, name }: Trigger): string {
  return `ALTER TABLE ${pg.escapeIdentifier(table)} ${to} TRIGGER ${pg.escapeIdentifier(name)}`
}
