import type { Pool } from 'pg'
import type { Count } from '../ports/limiter/limiter.ts'
import type { LimitCounters, PointsToTake } from '../ports/limiter/postgres.ts'
import { readPostgresUrl } from '../ports/postgres-url/postgres-url.ts'
import { openPool } from './database/server.ts'

/** Connections for the limits alone, so that slow queries of others hold up no call. */
const MAX_CONNECTIONS = 4
/** A connection on which no reply came within a second is given up and replaced. */
const STATEMENT_MS = 1_000
/** Rows of one DELETE, so that none takes long. */
const PRUNE_ROWS = 2_000

/** By pg itself: through Prisma a take costs three times the CPU time, and every call starts with one. */
const TAKE = {
  name: 'take_limits',
  text: `SELECT consumed, "resetsInMs" FROM take_limits_of_calls($1, $2, $3, $4, $5, $6)
    ORDER BY place`,
}
const FIND = {
  name: 'find_limits',
  text: `SELECT c.key, c.consumed,
      1000.0 * extract(epoch FROM c.expires_at - clock_timestamp())::float8 AS "resetsInMs"
    FROM limit_counters AS c WHERE c.key = ANY ($1) AND c.expires_at > clock_timestamp()`,
}
const DELETE = { name: 'delete_limit', text: 'DELETE FROM limit_counters WHERE key = $1' }
const STATEMENTS = [TAKE, FIND, DELETE]
type Statement = { name: string; text: string }
// Leaves the rows that a call has locked for the next time: they are in use again.
const DELETE_EXPIRED = `DELETE FROM limit_counters WHERE key IN (
    SELECT key FROM limit_counters WHERE expires_at < now() LIMIT ${String(PRUNE_ROWS)}
    FOR UPDATE SKIP LOCKED)`

/** The counters of a server. Every function throws what pg throws. */
export function openLimitCounters(databaseUrl: string): LimitCounters {
  const pool = openPool({
    databaseUrl,
    maxConnections: MAX_CONNECTIONS,
    // A call after a quiet hour has no more time for connecting than any other.
    minConnections: 1,
    statementMs: STATEMENT_MS,
  })
  const named = namedOrNot(databaseUrl)
  return {
    async take(calls) {
      const { rows } = await pool.query<Count>({ ...named(TAKE), values: columnsOf(calls) })
      let place = 0
      return calls.map((call) => rows.slice(place, (place += call.length)))
    },
    async find(keys) {
      const { rows } = await pool.query<Count & { key: string }>({ ...named(FIND), values: [keys] })
      return keys.map((key) => rows.find((row) => row.key === key))
    },
    async delete(key) {
      await pool.query({ ...named(DELETE), values: [key] })
    },
    deleteExpired: () => deleteExpired(pool),
    close: () => (pool.ending ? Promise.resolve() : pool.end()),
  }
}

async function deleteExpired(pool: Pool): Promise<void> {
  for (;;) {
    const { rowCount } = await pool.query(DELETE_EXPIRED)
    if ((rowCount ?? 0) < PRUNE_ROWS) return
  }
}

/** Where the URL allows fewer names than there are statements, none has one. */
function namedOrNot(databaseUrl: string) {
  const { namedStatements = STATEMENTS.length } = readPostgresUrl(databaseUrl)
  const isNamed = namedStatements >= STATEMENTS.length
  return ({ name, text }: Statement) => (isNamed ? { name, text } : { text })
}

/** The parameters of the database's function: every key once, then a column for each property. */
function columnsOf(calls: readonly (readonly PointsToTake[])[]) {
  const slots = new Map<string, number>()
  const slotOf = (key: string): number => {
    const slot = slots.get(key) ?? slots.size + 1
    slots.set(key, slot)
    return slot
  }
  const all = calls.flatMap((points, call) => points.map((one) => ({ ...one, call })))
  const inSlots = all.map(({ key }) => slotOf(key))
  return [
    [...slots.keys()],
    all.map(({ call }) => call),
    inSlots,
    all.map(({ points }) => points),
    all.map(({ quota }) => quota),
    all.map(({ windowSeconds }) => windowSeconds),
  ]
}
