import { StartRefused } from '../../ports/start-refused.ts'
import { DatabaseUnavailable, driverFailure } from './unavailable.ts'

/** What an operator can do when PostgreSQL refuses, by its SQLSTATE. */
const BY_SQL_STATE: Readonly<Record<string, string>> = {
  '28P01': 'PostgreSQL refuses the login: correct the user and the password in DATABASE_URL.',
  '28000': 'PostgreSQL refuses the login: correct the user and the password in DATABASE_URL.',
  '3D000':
    'The database that DATABASE_URL names does not exist: make it with "createdb", or correct its name.',
  '42501':
    'The user in DATABASE_URL may not do what Parley needs: make that user the owner of the database and of all that is in it.',
  // What a schema looks like that may not be used: as if there were none.
  '3F000':
    'The user in DATABASE_URL may not use its schema: GRANT USAGE, CREATE ON SCHEMA … TO that user, or make it the owner.',
  '25006':
    'The database that DATABASE_URL names is read-only, as a standby is, or one with default_transaction_read_only: name the primary server, or allow writing.',
  '25004':
    'A pooler stands before PostgreSQL, and the default_transaction_isolation of the user in DATABASE_URL is not "read committed": set it so with ALTER ROLE, as no session can behind a pooler, or connect without the pooler.',
  '53300':
    'PostgreSQL has no connection left: raise its max_connections, or end what holds them, and start again.',
  '57P03': 'PostgreSQL is starting up or shutting down: start again in a moment.',
}

const NOT_IN_HBA =
  'The pg_hba.conf of PostgreSQL has no line for this user, database and address, encrypted or not as they come: add one, or change the sslmode in DATABASE_URL (require encrypts, disable does not).'
const NO_CERTIFICATE =
  'PostgreSQL lets this user in by a certificate: name one with sslcert and sslkey in DATABASE_URL.'

/** The other meanings of SQLSTATE 28000, by the text of PostgreSQL. */
const LOGINS: readonly (readonly [RegExp, string])[] = [
  [/pg_hba\.conf/, NOT_IN_HBA],
  [/certificate/i, NO_CERTIFICATE],
]

const UNENCRYPTED =
  'PostgreSQL does not encrypt connections, and DATABASE_URL asks for it: switch ssl on there, or use sslmode=prefer.'
const OTHER_HOST =
  'The certificate of PostgreSQL is for another host than DATABASE_URL names: correct the host, or use sslmode=verify-ca, which does not compare it.'

/** The same for encryption, by what OpenSSL or node-postgres says. */
const ENCRYPTIONS: readonly (readonly [RegExp, string])[] = [
  [/does not support SSL/, UNENCRYPTED],
  [/altnames/, OTHER_HOST],
]

/** The same for what has no code of its own. */
const OTHERS: readonly (readonly [RegExp, string])[] = [
  [
    /connect (ENOENT|EACCES) /,
    'PostgreSQL has no socket in the folder that is the host in DATABASE_URL, or this user may not use it: start it, or correct the folder or the port.',
  ],
  [
    /client password must be a string/,
    'PostgreSQL asks for a password, and DATABASE_URL has none: write it there.',
  ],
]

/** The same for what the driver says by itself. */
const BY_KIND: Readonly<Record<string, string>> = {
  AuthenticationFailed: BY_SQL_STATE['28P01']!,
  DatabaseNotReachable:
    'No PostgreSQL answers at the host and port of DATABASE_URL: start it, or correct them.',
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
    'The database does not answer, or not in time: see that it runs and that DATABASE_URL leads to it, and start again.'
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
  return `The certificate of PostgreSQL is not trusted (${problem}): name that of its authority, or a self-signed one itself, with sslrootcert in DATABASE_URL, or use sslmode=require, which encrypts and checks nothing.`
}

/** A pooler has no SQLSTATE of its own for what it refuses, only its words; they quote no password. */
function byPooler(code: string, text: string): string | undefined {
  if (code !== '08P01') return undefined
  if (text.includes('statement pooling')) {
    return 'The pooler before PostgreSQL lets no transaction through (pool_mode = statement): set its pool_mode to transaction or session.'
  }
  return `PostgreSQL, or the pooler before it, refuses the connection: ${text}.`
}
