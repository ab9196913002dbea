import { readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { createEnvironment, misspeltNames, type Env, type Environment } from './environment.ts'
import { readDatabaseUrl } from './database-url.ts'
import { readEngine } from './engine.ts'
import { mistakesInFiles } from './files.ts'
import { type Sorted, withoutInjected } from './injected.ts'
import { ConfigMistakes } from './mistakes.ts'
import { redisUrl as parseRedisUrl } from './redis-url.ts'
import * as values from './values.ts'
import type { LimitOverride } from './values.ts'
import { rateLimitVariable, VARIABLES } from './variables.ts'

export { ConfigMistakes } from './mistakes.ts'
export type { LimitOverride } from './values.ts'

/** The settings of the operator: read once, checked as a whole, frozen. They contain secrets: never log them. */
export type Config = ReturnType<typeof readConfig>

/**
 * The configuration in the given variables. An empty variable counts as not set.
 * @param policyNames the rate limit policies of the contract, each with its `RATE_LIMIT_…`
 * @throws ConfigMistakes with every mistake at once, and no value
 */
export function readConfig(env: Env, policyNames: readonly string[]) {
  const from = createEnvironment(env)
  const config = {
    server: readServer(from),
    store: readStore(from),
    engine: readEngine(from),
    identity: readIdentity(from),
    limits: readLimits(from, policyNames),
    traces: readTraces(from),
    log: {
      level: from.read(
        'LOG_LEVEL',
        values.oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
      ),
    },
  }
  const known = [...Object.keys(VARIABLES), ...policyNames.map(rateLimitVariable)]
  misspeltNames(env, known).forEach((mistake) => from.refuse(mistake))
  from.finish()
  return deepFreeze(config)
}

/**
 * The configuration of this process: its environment, and below that a `.env` file if there is one.
 * @throws ConfigMistakes with every mistake at once, and no value
 */
export function loadConfig(policyNames: readonly string[], envFile = '.env'): Config {
  return readConfig(environmentAbove(envFile).env, policyNames)
}

/** With the names of the variables that a platform injected and that were not meant for Parley. */
export type ServerConfig = Config & { readonly leftOut: readonly string[] }

/**
 * The configuration of a server, which also needs the files that it names.
 * @throws ConfigMistakes with every mistake at once, those in the files included, and no value
 */
export async function loadServerConfig(
  policyNames: readonly string[],
  envFile = '.env',
): Promise<ServerConfig> {
  const { env, leftOut } = environmentAbove(envFile)
  const inFiles = await mistakesInFiles(env)
  try {
    const config = readConfig(env, policyNames)
    if (inFiles.length === 0) return { ...config, leftOut }
  } catch (error) {
    if (!(error instanceof ConfigMistakes)) throw error
    inFiles.unshift(...error.mistakes)
  }
  throw new ConfigMistakes(inFiles)
}

/** The configuration of a move to PostgreSQL. It contains secrets: never log it. */
export type MoveConfig = ReturnType<typeof loadMove>

/**
 * Where the data move from and to. Unlike for a server, keys and secret may be left out: they are in
 * the folder that is moved.
 * @throws ConfigMistakes with every mistake at once, and no value
 */
export function loadMove(envFile = '.env') {
  const from = createEnvironment(environmentAbove(envFile).env)
  const { dataDir, databaseUrl } = readStore(from)
  if (!from.has('DATABASE_URL'))
    from.refuse('DATABASE_URL must name the database to move the data to.')
  const serverSecret = from.find('SERVER_SECRET', values.serverSecret)
  const signingKeysFile = from.find('SIGNING_KEYS_FILE', values.path)
  from.finish()
  return { dataDir, databaseUrl: databaseUrl!, serverSecret, signingKeysFile }
}

function readServer(from: Environment) {
  requireTogether(from, 'TLS_CERT_FILE', 'TLS_KEY_FILE')
  const certFile = from.find('TLS_CERT_FILE', values.path)
  const keyFile = from.find('TLS_KEY_FILE', values.path)
  const port = from.read('PORT', values.integer(0, 65_535))
  const metricsPort = from.find('METRICS_PORT', values.integer(0, 65_535))
  const metricsHost = from.read('METRICS_HOST', values.host)
  if (port && port === metricsPort) from.refuse('METRICS_PORT must be different from PORT.')
  return {
    port,
    host: from.read('HOST', values.host),
    requireHttps: from.read('REQUIRE_HTTPS', values.flag),
    tls: certFile && keyFile ? { certFile, keyFile } : undefined,
    /** A number of hops, or addresses and CIDRs, as Express's `trust proxy` takes them. */
    trustProxy: from.read('TRUST_PROXY', values.proxies),
    corsOrigins: from.find('CORS_ORIGINS', values.origins) ?? [],
    securityContacts: from.find('SECURITY_CONTACT', values.contacts) ?? [],
    /** Where `/metrics` is served; without a port it is not. */
    metrics: metricsPort === undefined ? undefined : { port: metricsPort, host: metricsHost },
    shutdownGraceSeconds: from.read('SHUTDOWN_GRACE_SECONDS', values.integer(0, 3600)),
  }
}

function readStore(from: Environment) {
  return {
    dataDir: from.read('DATA_DIR', values.line),
    databaseUrl: readDatabaseUrl(from),
    redisUrl: from.find('REDIS_URL', parseRedisUrl),
  }
}

function readIdentity(from: Environment) {
  requireTogether(from, 'ADMIN_EMAIL', 'ADMIN_PASSWORD')
  for (const name of ['SIGNING_KEYS_FILE', 'SERVER_SECRET'] as const) {
    // If they were made here, other instances on the database would make their own.
    if (from.has('DATABASE_URL') && !from.has(name)) {
      from.refuse(`${name} must be set with DATABASE_URL. Create one with "npm run secrets".`)
    }
  }
  return {
    accessTokenTtlSeconds: from.read('ACCESS_TOKEN_TTL_SECONDS', values.integer(1, 86_400)),
    refreshTokenTtlSeconds: from.read('REFRESH_TOKEN_TTL_SECONDS', values.integer(1, 2_592_000)),
    bcryptCost: from.read('BCRYPT_COST', values.integer(4, 16)),
    registration: from.read('REGISTRATION', values.oneOf('closed', 'open')),
    adminEmail: from.find('ADMIN_EMAIL', values.email),
    adminPassword: from.find('ADMIN_PASSWORD', values.password),
    signingKeysFile: from.find('SIGNING_KEYS_FILE', values.path),
    serverSecret: from.find('SERVER_SECRET', values.serverSecret),
  }
}

function readLimits(from: Environment, policyNames: readonly string[]) {
  const overrides: Record<string, LimitOverride> = {}
  for (const policyName of policyNames) {
    const override = from.find(rateLimitVariable(policyName), values.limit)
    if (override) overrides[policyName] = override
  }
  return {
    /** By policy name; other policies count as the contract says. */
    overrides: overrides as Readonly<Record<string, LimitOverride>>,
    maxOpenStreams: from.read('MAX_OPEN_STREAMS', values.integer(1, 1000)),
  }
}

/** OpenTelemetry's variables for whether and where traces are sent; its SDK reads the others. */
function readTraces(from: Environment) {
  const base = from.find('OTEL_EXPORTER_OTLP_ENDPOINT', values.baseUrl)
  const own = from.find('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', values.baseUrl)
  const headers = from.find('OTEL_EXPORTER_OTLP_HEADERS', values.line)
  const serviceName = from.read('OTEL_SERVICE_NAME', values.line)
  const isDisabled = from.find('OTEL_SDK_DISABLED', values.line)?.toLowerCase() === 'true'
  const url = own ?? (base === undefined ? undefined : `${base}/v1/traces`)
  if (url === undefined || isDisabled) return undefined
  return { url, headers, serviceName }
}

function requireTogether(
  from: Environment,
  ...[first, second]: [keyof typeof VARIABLES, keyof typeof VARIABLES]
): void {
  if (from.has(first) === from.has(second)) return
  const [given, missing] = from.has(first) ? [first, second] : [second, first]
  from.refuse(`${missing} must be set with ${given}.`)
}

/** Injected variables are removed first: they must not hide those of the file. */
function environmentAbove(envFile: string): Sorted {
  const { env, leftOut } = withoutInjected(process.env)
  return { env: { ...readEnvFile(envFile), ...env }, leftOut }
}

function readEnvFile(path: string): Env {
  try {
    return parseEnv(readFileSync(path, 'utf8'))
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return {}
    throw new ConfigMistakes([`The file ${path} cannot be read (${code}).`])
  }
}

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T

function deepFreeze<T extends object>(value: T): DeepReadonly<T> {
  Object.values(value)
    .filter((inner) => typeof inner === 'object' && inner !== null)
    .forEach(deepFreeze)
  return Object.freeze(value) as DeepReadonly<T>
}
