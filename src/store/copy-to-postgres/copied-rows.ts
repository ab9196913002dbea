import pg from 'pg'
import { type Ask, CopyRefused } from './ask.ts'

/** Rows that are in memory at once. */
const BATCH_ROWS = 200
/** A server that works on the target holds its locks for moments, never this long. */
const LOCK_MS = 5_000

/**
 * Locks the tables before it looks at them: a server that starts meanwhile would create its
 * administrator.
 * @throws CopyRefused where a table has rows
 */
export async function refuseRows(target: Ask, tables: string[]): Promise<void> {
  await target(`SET LOCAL lock_timeout = ${LOCK_MS}`)
  await target(
    `LOCK TABLE ${tables.map((table) => pg.escapeIdentifier(table)).join(', ')} IN ACCESS EXCLUSIVE MODE`,
  )
  for (const table of tables) {
    const found = await target(`SELECT 1 FROM ${pg.escapeIdentifier(table)} LIMIT 1`)
    if (found.length === 0) continue
    throw new CopyRefused(
      `The database in DATABASE_URL already has rows in ${table}: name an empty database.`,
    )
  }
}

/**
 * @returns how many rows were copied
 * @throws CopyRefused where the two databases count or hash the table differently
 */
export async function copyTable(source: Ask, target: Ask, table: string): Promise<number> {
  const name = pg.escapeIdentifier(table)
  await source(`DECLARE copied CURSOR FOR SELECT t::text AS row FROM ${name} t`)
  const fetch = () => source(`FETCH ${BATCH_ROWS} FROM copied`)
  for (let batch = await fetch(); batch.length > 0; batch = await fetch()) {
    // OFFSET 0 keeps PostgreSQL from reading each row's text anew for every column.
    await target(
      `INSERT INTO ${name} SELECT (whole).* FROM
       (SELECT line::${name} AS whole FROM unnest($1::text[]) AS line OFFSET 0) AS lines`,
      [batch.map(({ row }) => row)],
    )
  }
  await source('CLOSE copied')
  const [sent, arrived] = [await sumOf(source, name), await sumOf(target, name)]
  if (sent.rows === arrived.rows && sent.hash === arrived.hash) return Number(sent.rows)
  throw new CopyRefused(
    `The rows that arrived in ${table} differ from those that were sent. Nothing was kept.`,
  )
}

/** The number of rows and the sum of their hashes, whatever their order. */
async function sumOf(ask: Ask, name: string): Promise<Record<string, string>> {
  const [sum] = await ask(
    `SELECT count(*)::text AS rows, coalesce(sum(
       ('x' || encode(substring(sha256(convert_to(t::text, 'UTF8')) FOR 7), 'hex'))::bit(56)::bigint
     ), 0)::text AS hash FROM ${name} t`,
  )
  return sum!
}
