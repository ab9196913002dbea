import { StartRefused } from '../ports/start-refused.ts'
import { DatabaseUnavailable, driverFailure } from './unavailable.ts'

/** What an operator can do when PostgreSQL refuses, by its SQLSTATE. */
const BY_SQL_STATE: Readonly<Record<string, string>> = {
  '28P01': 'PostgreSQL refuses the login: correct the user and the password in DATABASE_URL.',
  '28000': 'PostgreSQL refuses the login: correct the user and the password in DATABASE_URL.',
  '3D000':
    'The database that DATABASE_URL names does not exist: make it with "createdb", or correct its name.',
  '42501':
    'The user in DATABASE_URL may not do what Parley needs: make that user the owner of the database and of all that is in it.',
  '25006':
    'The database that DATABASE_URL names is read-only, as a standby is, or one with default_transaction_read_only: name the primary server, or allow writing.',
  '25004':
    'A pooler stands before PostgreSQL, and the default_transaction_isolation of the user in DATABASE_URL is not "read committed": set it so with ALTER ROLE, as no session can behind a pooler, or connect without the pooler.',
  '53300':
    'PostgreSQL has no connection left: raise its max_connections, or end what holds them, and start again.',
  '57P03': 'PostgreSQL is starting up or shutting down: start again in a moment.',
}

/** The same for what the driver says by itself. */
const BY_KIND: Readonly<Record<string, string>> = {
  AuthenticationFailed: BY_SQL_STATE['28P01']!,
  DatabaseNotReachable:
    'No PostgreSQL answers at the host and port of DATABASE_URL: start it, or correct them.',
  TlsConnectionError:
    'The connection to PostgreSQL cannot be encrypted as DATABASE_URL asks: correct its sslmode, or the certificate of the server.',
}

/**
 * The sentence for a database that does not let the program start; undefined for what nobody expects.
 * What the driver said itself is in the cause: it may quote the URL.
 */
export function refusalByDatabase(error: unknown): StartRefused | undefined {
  const own = error instanceof DatabaseUnavailable ? error.cause : error
  const { kind = '', code = '', text } = driverFailure(own)
  const sentence = BY_SQL_STATE[code] ?? BY_KIND[kind] ?? byPooler(code, text)
  if (sentence !== undefined) return new StartRefused(sentence, { cause: error })
  if (!(error instanceof DatabaseUnavailable)) return undefined
  const message =
    'The database does not answer, or not in time: see that it runs and that DATABASE_URL leads to it, and start again.'
  return new StartRefused(message, { cause: error })
}

/** A pooler has no SQLSTATE of its own for what it refuses, only its words; they quote no password. */
function byPooler(code: string, text: string): string | undefined {
  if (code !== '08P01') return undefined
  if (text.includes('statement pooling')) {
    return 'The pooler before PostgreSQL lets no transaction through (pool_mode = statement): set its pool_mode to transaction or session.'
  }
  return `PostgreSQL, or the pooler before it, refuses the connection: ${text}.`
}
