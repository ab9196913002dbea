import { UnusablePostgresUrl } from './unusable.ts'

/** The parts of a URL, decoded. Empty parts are absent. */
export type PostgresUrlParts = {
  user?: string
  password?: string
  host?: string
  port?: string
  database?: string
  /** In the order of the URL. */
  parameters: readonly (readonly [name: string, value: string])[]
}

const SHAPE = 'must be a URL that starts with postgresql:// or postgres://.'
const PERCENT =
  'must have every %, @ and / in its user and password, and every %, & and = in its parameters, percent-encoded: %25, %40, %2F, %26, %3D.'

const WHOLE = /^postgres(?:ql)?:\/\/(?<where>[^/?]*)(?:\/(?<database>[^?]*))?(?:\?(?<query>.*))?$/s

/**
 * Takes a URL apart as libpq does, which allows what URL parsers do not: a user without a host, and
 * any character but @ and / in a password. A bare @ is accepted too where only the last one can end it.
 * @throws UnusablePostgresUrl
 * @see https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
 */
export function takeApart(url: string): PostgresUrlParts {
  const begin = /^postgres(?:ql)?:\/\//.exec(url)?.[0]
  if (begin === undefined) throw new UnusablePostgresUrl([SHAPE])
  const rest = url.slice(begin.length)
  const login = (/^[^/?]*@/.exec(rest) ?? /^[^@/]*@/.exec(rest))?.[0] ?? ''
  const [, user = '', password = ''] = /^([^:]*):?(.*)@$/s.exec(login) ?? []
  const {
    where = '',
    database = '',
    query = '',
  } = WHOLE.exec(begin + rest.slice(login.length))?.groups ?? {}
  return {
    ...decodedParts({ user, password, ...hostAndPort(where), database }),
    parameters: query === '' ? [] : query.split('&').map(toParameter),
  }
}

function hostAndPort(where: string) {
  if (where.includes(',')) throw new UnusablePostgresUrl([SEVERAL_HOSTS])
  const [, host = '', port = ''] = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/s.exec(where) ?? []
  return { host: host.replace(/^\[(.*)\]$/s, '$1'), port }
}

/** For several hosts in the host part or in a parameter. */
export const SEVERAL_HOSTS =
  'must name one host, because Parley cannot find the primary among several. Name an address that always leads to the primary.'

function decodedParts(parts: Record<string, string>) {
  const given = Object.entries(parts).filter(([, text]) => text !== '')
  return Object.fromEntries(given.map(([name, text]) => [name, decode(text)]))
}

function toParameter(text: string): readonly [string, string] {
  const [name, value, ...more] = text.split('=')
  // A bare / in a password ends the host part: this may be the rest of the password.
  if (text.includes('@') || !name || value === undefined || more.length > 0) {
    throw new UnusablePostgresUrl([PERCENT])
  }
  return [decode(name), decode(value)]
}

function decode(text: string): string {
  try {
    const decoded = decodeURIComponent(text)
    if (!decoded.includes('\0')) return decoded
  } catch (error) {
    if (!(error instanceof URIError)) throw error
  }
  throw new UnusablePostgresUrl([PERCENT])
}
