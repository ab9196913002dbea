import { type Encryption, ENCRYPTION_PARAMETERS, readEncryption } from './encryption.ts'
import { SEVERAL_HOSTS, takeApart } from './grammar.ts'
import { readParameters, type Settings } from './parameters.ts'
import { UnusablePostgresUrl } from './unusable.ts'

export { UnusablePostgresUrl } from './unusable.ts'

/** The settings in a URL of PostgreSQL. They contain a password: never log them. */
export type PostgresUrl = Omit<Settings, 'port' | 'schema'> & {
  port?: number
  /** The schema of all tables. */
  schema: string
  encryption: Encryption
}

/**
 * Reads a URL as libpq does, and Prisma's parameters. Nothing in it is ignored: what is not supported
 * is refused.
 * @throws UnusablePostgresUrl
 */
export function readPostgresUrl(url: string): PostgresUrl {
  const { parameters, ...parts } = takeApart(url)
  const {
    port: portText,
    schema = 'public',
    ...settings
  } = {
    ...parts,
    ...readParameters(parameters),
  }
  const port = readPort(portText)
  requireHost(settings.host)
  const isSocket = settings.host?.startsWith('/') === true
  const given = parameters.filter(([name]) => Object.hasOwn(ENCRYPTION_PARAMETERS, name))
  const encryption = readEncryption(Object.fromEntries(given), isSocket)
  return { ...settings, schema, encryption, ...(port !== undefined && { port }) }
}

function readPort(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (port >= 1 && port <= 65_535) return port
  // A bare / in a password turns the part before it into a port.
  throw new UnusablePostgresUrl([
    'must have a port from 1 to 65535, and every @ and / in its password percent-encoded: %40, %2F.',
  ])
}

function requireHost(host: string | undefined): void {
  if (host === undefined || /^(\/[^\0]*|[a-zA-Z0-9_.:-]+)$/.test(host)) return
  if (host.includes(',')) throw new UnusablePostgresUrl([SEVERAL_HOSTS])
  throw new UnusablePostgresUrl([
    'must have a host name, an address or the absolute path of a socket folder as its host, and every @ and / in its password percent-encoded: %40, %2F.',
  ])
}
