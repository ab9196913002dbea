import { StartRefused } from '../../ports/start-refused.ts'
import { DatabaseUnavailable, driverFailure } from './unavailable.ts'

/** What an operator can do when PostgreSQL refuses, by its SQLSTATE. */
const BY_SQL_STATE: Readonly<Record<string, string>> = {
  '28P01': 'PostgreSQL refuses the login: correct the user or the password in DATABASE_URL.',
  '28000': 'PostgreSQL refuses the login: correct the user or the password in DATABASE_URL.',
  '3D000':
    'The database in DATABASE_URL does not exist: create it with "createdb", or correct its name.',
  '42501':
    'The user in DATABASE_URL lacks privileges that Parley needs: make that user the owner of the database and of everything in it.',
  // What a schema looks like that may not be used: as if there were none.
  '3F000':
    'The user in DATABASE_URL lacks privileges on its schema: GRANT USAGE, CREATE ON SCHEMA … TO that user, or make that user the owner.',
  '25006':
    'The database in DATABASE_URL is read-only: it is a standby or has default_transaction_read_only. Name the primary server, or allow writes.',
  '25004':
    'The default_transaction_isolation of the user in DATABASE_URL is not "read committed", and a session cannot change it behind a pooler. Set it with ALTER ROLE, or connect without the pooler.',
  '53300':
    'PostgreSQL has no free connection: raise its max_connections or close other connections, then start again.',
  '57P03': 'PostgreSQL is starting up or shutting down: start again in a moment.',
}

const NOT_IN_HBA =
  'The pg_hba.conf of PostgreSQL has no entry for this user, database, address and encryption: add one, or change the sslmode in DATABASE_URL (require encrypts, disable does not).'
const NO_CERTIFICATE =
  'PostgreSQL requires a certificate from this user: name one with sslcert and sslkey in DATABASE_URL.'

/** The other meanings of SQLSTATE 28000, by the text of PostgreSQL. */
const LOGINS: readonly (readonly [RegExp, string])[] = [
  [/pg_hba\.conf/, NOT_IN_HBA],
  [/certificate/i, NO_CERTIFICATE],
]

const UNENCRYPTED =
  'DATABASE_URL requires encryption, but PostgreSQL does not offer it: turn ssl on in PostgreSQL, or use sslmode=prefer.'
const OTHER_HOST =
  'The certificate of PostgreSQL is for a different host than the one in DATABASE_URL: correct the host, or use sslmode=verify-ca, which does not compare it.'

/** The same for encryption, by what OpenSSL or node-postgres says. */
const ENCRYPTIONS: readonly (readonly [RegExp, string])[] = [
  [/does not support SSL/, UNENCRYPTED],
  [/altnames/, OTHER_HOST],
]

/** The same for what has no code of its own. */
const OTHERS: readonly (readonly [RegExp, string])[] = [
  [
    /connect (ENOENT|EACCES) /,
    'PostgreSQL has no socket in the folder that DATABASE_URL names as its host, or this user cannot use it: start PostgreSQL, or correct the folder or the port.',
  ],
  [
    /client password must be a string/,
    'PostgreSQL requires a password, and DATABASE_URL has none: add it there.',
  ],
]

/** The same for what the driver says by itself. */
const BY_KIND: Readonly<Record<string, string>> = {
  AuthenticationFailed: BY_SQL_STATE['28P01']!,
  DatabaseNotReachable:
    'PostgreSQL is unreachable at the host and port in DATABASE_URL: start it, or correct them.',
}

/**
 * The message for a database that does not let the program start; undefined for an unexpected error. The
 * text of the driver is in the cause only: it may quote the URL.
 */
export function refusalByDatabase(error: unknown): StartRefused | undefined {
  const own = error instanceof DatabaseUnavailable ? error.cause : error
  const sentence = sentenceFor(driverFailure(own))
  if (sentence !== undefined) return new StartRefused(sentence, { cause: error })
  if (!(error instanceof DatabaseUnavailable)) return undefined
  const message =
    'The database does not respond, or not in time: check that it is running and that DATABASE_URL points to it, then start again.'
  return new StartRefused(message, { cause: error })
}

function sentenceFor({ kind = '', code = '', text }: ReturnType<typeof driverFailure>) {
  if (kind === 'TlsConnectionError') return said(ENCRYPTIONS, text) ?? untrusted(text)
  const login = code === '28000' ? said(LOGINS, text) : undefined
  return login ?? BY_SQL_STATE[code] ?? BY_KIND[kind] ?? byPooler(code, text) ?? said(OTHERS, text)
}

function said(sentences: typeof LOGINS, text: string): string | undefined {
  return sentences.find(([words]) => words.test(text))?.[1]
}

/** OpenSSL's words are about the certificate alone: they hold nothing of the URL. */
function untrusted(problem: string): string {
  return `The certificate of PostgreSQL is not trusted (${problem}): name the certificate of its authority, or the certificate itself if it is self-signed, with sslrootcert in DATABASE_URL, or use sslmode=require, which encrypts but does not check the certificate.`
}

/** A pooler has no SQLSTATE of its own for what it refuses, only its words; they quote no password. */
function byPooler(code: string, text: string): string | undefined {
  if (code !== '08P01') return undefined
  if (text.includes('statement pooling')) {
    return 'The pooler in front of PostgreSQL allows no transactions (pool_mode = statement): set its pool_mode to transaction or session.'
  }
  return `PostgreSQL, or the pooler in front of it, refuses the connection: ${text}.`
}
