import { ENCRYPTION_PARAMETERS } from './encryption.ts'
import { REFUSED } from './refused.ts'
import { UnusablePostgresUrl } from './unusable.ts'

/** The settings of connections in the parameters of a URL, apart from their encryption. */
export type Settings = {
  user?: string
  password?: string
  host?: string
  port?: string
  database?: string
  schema?: string
  applicationName?: string
  /** Settings of each session, as the command line of a server takes them. */
  options?: string
  /** How long a call waits for a connection. */
  connectMs?: number
  /** The most connections. */
  maxConnections?: number
  /** How many statements may have a name on a connection. */
  namedStatements?: number
  channelBinding?: boolean
}

/** Reads the value of one parameter. @throws Unfit */
type Take = (value: string) => Settings

/** A value that does not fit. The message completes "NAME must be …". */
class Unfit extends Error {
  override readonly name = 'Unfit'
}

function fit(isFit: boolean, expected: string): void {
  if (!isFit) throw new Unfit(expected)
}

function whole(value: string, least: number, most: number): number {
  const isWhole = /^\d{1,9}$/.test(value) && Number(value) >= least && Number(value) <= most
  fit(isWhole, `a whole number from ${String(least)} to ${String(most)}`)
  return Number(value)
}

/** Accepts only words for what Parley does anyway. */
const only =
  (...words: readonly string[]): Take =>
  (value) => {
    fit(words.includes(value), `${words.join(' or ')}, or left out`)
    return {}
  }

const PART_EXPECTED = 'given with a value'
const part =
  (name: 'user' | 'password' | 'host' | 'port' | 'database'): Take =>
  (value) => {
    fit(value !== '', PART_EXPECTED)
    return { [name]: value }
  }

/** Each session sets these itself, after the settings of the URL. */
const OURS =
  /search_path|statement_timeout|timezone|datestyle|intervalstyle|client_encoding|standard_conforming_strings/i

const TAKEN: Readonly<Record<string, Take>> = {
  user: part('user'),
  password: part('password'),
  host: part('host'),
  port: part('port'),
  dbname: part('database'),
  schema(value) {
    const isName = /^[\p{L}_][\p{L}\p{N}_$-]*$/u.test(value) && Buffer.byteLength(value) <= 63
    const isFree = !/^pg_|^information_schema$/.test(value)
    fit(isName && isFree, 'the name of a schema: letters, digits, _, $ and -, at most 63 bytes')
    return { schema: value }
  },
  application_name(value) {
    fit(/^[\x20-\x7e]{1,63}$/.test(value), '1 to 63 printable ASCII characters')
    return { applicationName: value }
  },
  options(value) {
    fit(
      value !== '' && !OURS.test(value),
      'settings that Parley does not make itself, such as -c work_mem=8MB; instead of search_path, use schema',
    )
    return { options: value }
  },
  connect_timeout: (value) => ({ connectMs: whole(value, 1, 60) * 1_000 }),
  connection_limit: (value) => ({ maxConnections: whole(value, 1, 1_000) }),
  statement_cache_size: (value) => ({ namedStatements: whole(value, 0, 10_000) }),
  pgbouncer(value) {
    fit(value === 'true' || value === 'false', 'true or false')
    return value === 'true' ? { namedStatements: 0 } : {}
  },
  channel_binding(value) {
    fit(
      value === 'disable' || value === 'prefer',
      'disable or prefer, which binds if the server offers it',
    )
    return { channelBinding: value === 'prefer' }
  },
  target_session_attrs: only('any', 'read-write', 'primary'),
  client_encoding: only('UTF8', 'utf8', 'UTF-8'),
  gssencmode: only('disable', 'prefer'),
  load_balance_hosts: only('disable'),
  keepalives: only('1'),
}

/**
 * @returns the settings of all parameters together
 * @throws UnusablePostgresUrl with every one that is unknown, refused, given twice or wrong
 */
export function readParameters(parameters: readonly (readonly [string, string])[]): Settings {
  const names = parameters.map(([name]) => name)
  const mistakes = names
    .filter((name, index) => isKnown(name) && names.indexOf(name) !== index)
    .map((name) => `has the parameter ${name} twice.`)
  const settings: Settings = {}
  for (const [name, value] of parameters) {
    try {
      Object.assign(settings, take(name, value))
    } catch (error) {
      if (!(error instanceof Unfit)) throw error
      mistakes.push(error.message)
    }
  }
  if (mistakes.length > 0) throw new UnusablePostgresUrl([...new Set(mistakes)])
  return settings
}

function isKnown(name: string): boolean {
  return [TAKEN, REFUSED, ENCRYPTION_PARAMETERS].some((table) => Object.hasOwn(table, name))
}

function take(name: string, value: string): Settings {
  if (!isKnown(name)) throw new Unfit(unknown(name))
  if (Object.hasOwn(REFUSED, name)) {
    throw new Unfit(`has the parameter ${name}, which Parley does not accept: ${REFUSED[name]!}.`)
  }
  if (!Object.hasOwn(TAKEN, name)) return {}
  try {
    return TAKEN[name]!(value)
  } catch (error) {
    if (!(error instanceof Unfit)) throw error
    throw new Unfit(`has the parameter ${name}, which must be ${error.message}.`)
  }
}

/** A name that is no plain word is not shown: it may be a piece of a password. */
function unknown(name: string): string {
  const shown = /^[a-z][a-z_]{0,30}$/i.test(name) ? ` ${name}` : ''
  return `has an unknown parameter${shown}: correct its name, or leave it out.`
}
