import pg from 'pg'

/** Values by the names of settings. */
export type SessionSettings = Readonly<Record<string, string>>

/** In milliseconds; 0 is no limit. */
export type Patience = { statementMs: number; idleInTransactionMs: number }

/**
 * What the statements, the driver that reads their results and the documented limits rely on. The
 * operator's database or role may set other values for all other clients.
 *
 * Not among them: `default_transaction_read_only`, which an operator sets to close a database to writers,
 * and `row_security`, which an operator may set so that a statement fails instead of omitting rows.
 */
export function sessionSettings(schema: string, patience: Patience): SessionSettings {
  return {
    search_path: pg.escapeIdentifier(schema),
    // Values are read and written as text, and times as if the zone were UTC.
    client_encoding: 'UTF8',
    // In the spelling of most servers: a pooler has to follow each change.
    DateStyle: 'ISO, MDY',
    IntervalStyle: 'postgres',
    TimeZone: 'UTC',
    bytea_output: 'hex',
    extra_float_digits: '1',
    array_nulls: 'on',
    standard_conforming_strings: 'on',
    // Statements take locks in an order that is right for this level; a stricter one refuses them.
    default_transaction_isolation: 'read committed',
    default_transaction_deferrable: 'off',
    statement_timeout: String(patience.statementMs),
    idle_in_transaction_session_timeout: String(patience.idleInTransactionMs),
    lock_timeout: '0',
    // Not known to every PostgreSQL.
    transaction_timeout: '0',
    idle_session_timeout: '0',
  }
}

/**
 * Sets all for the session, if its process is `processId`: otherwise there is a pooler in between, and the
 * session may belong to another client next. The statement itself is subject to no limit or isolation level
 * that the operator has set.
 */
export function setSession(settings: SessionSettings, processId: number): string {
  return `BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = '1min';
  SELECT direct, "readOnly", isolation, (
    SELECT pg_catalog.count(pg_catalog.set_config(s.name, s.value, false))
    ${changes(pg.escapeLiteral(JSON.stringify(settings)))} AND direct
  ) AS changed
  FROM (
    SELECT pg_catalog.pg_backend_pid() = ${String(processId)} AS direct,
      pg_catalog.current_setting('transaction_read_only') = 'on' AS "readOnly",
      pg_catalog.current_setting('default_transaction_isolation') AS isolation
    OFFSET 0
  ) AS session;
  COMMIT`
}

/** Sets all of $1 until the end of the transaction. */
export const SET_TRANSACTION = `SELECT pg_catalog.count(pg_catalog.set_config(s.name, s.value, true)) ${changes('$1')}`

/** The settings that differ; a name that this PostgreSQL does not know is left out. */
function changes(json: string): string {
  return `FROM pg_catalog.json_each_text(${json}::json) AS s (name, value)
    WHERE pg_catalog.current_setting(s.name, true) <> s.value`
}
