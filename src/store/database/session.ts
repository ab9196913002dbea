import type pg from 'pg'
import { setEachTransaction } from './pooled-session.ts'
import { type SessionSettings, setSession } from './session-settings.ts'

/** The index of the result among those of the parts of the statement. */
const FOUND = 2

type Found = { direct: boolean; readOnly: boolean; isolation: string }

/** read_only_sql_transaction */
export const READ_ONLY = '25006'
/** inappropriate_isolation_level_for_branch_transaction, which no statement of this program can cause */
const POOLED_ISOLATION = '25004'

/**
 * Applies the settings, in one round trip; behind a pooler, for each transaction from now on.
 * @throws what pg throws; `25006` if nothing can be written; `25004` if transactions behind a pooler have a
 *   stricter isolation level
 */
export async function beginSession(
  client: pg.ClientBase,
  settings: SessionSettings,
): Promise<void> {
  // From the start of the connection; a pooler has numbers of its own, or none.
  const { processID } = client as { processID?: number | null }
  const answers: unknown = await client.query(setSession(settings, processID ?? 0))
  const found = (answers as pg.QueryResult<Found>[])[FOUND]!.rows[0]!
  if (found.readOnly) throw refusal(READ_ONLY, 'nothing can be written')
  if (found.direct) return
  // The level must be set before the first snapshot, so it cannot travel with a statement.
  if (found.isolation !== 'read committed') {
    throw refusal(POOLED_ISOLATION, `transactions are ${found.isolation} behind a pooler`)
  }
  setEachTransaction(client, settings)
}

/** In the form of PostgreSQL's own errors. */
function refusal(code: string, text: string): Error {
  return Object.assign(new Error(text), { code, severity: 'FATAL' })
}
