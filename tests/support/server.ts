import { randomUUID } from 'node:crypto'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Config, readConfig } from '../../src/config/config.ts'
import { createEngine } from '../../src/engine/create-engine.ts'
import { createLog, type Log } from '../../src/ports/observability/log.ts'
import { newSigningKeysText, parseSigningKeys } from '../../src/ports/keys/signing-keys.ts'
import {
  createParley,
  loadPolicies,
  type Parley,
  type Replacements,
} from '../../src/assembly/parley.ts'
import { type Client, createClient } from './client.ts'
import { TestClock } from './clock/clock.ts'
import { openTestStore, type TestStore } from './database/database.ts'
import { recordResponse, writeSeenResponses } from './contract/seen-responses.ts'

/** All servers of a test file share one set of signing keys, as instances do. */
const keysText = newSigningKeysText()
/** The value of SIGNING_KEYS_FILE that stands for the shared keys; any other is a path. */
export const SHARED_KEYS = 'the keys of the tests'

/** Quotas that no test exceeds unless it sets its own. */
const NO_LIMITS = {
  RATE_LIMIT_ANONYMOUS: '1000000/3600',
  RATE_LIMIT_USER: '1000000/3600',
  RATE_LIMIT_CHAT: '1000000/60',
  RATE_LIMIT_SIGN_IN_ADDRESS: '1000000/900',
  RATE_LIMIT_SIGN_IN_ACCOUNT: '1000000/900',
}
const NO_GRACE = 0
const ADMIN = { ADMIN_EMAIL: 'admin@example.com', ADMIN_PASSWORD: 'the admin of the tests' }
const DEFAULTS = {
  ...NO_LIMITS,
  ...ADMIN,
  SERVER_SECRET: 'a server secret that only the tests know of',
  BCRYPT_COST: '4',
  DATA_DIR: '/nonexistent',
}

export type TestServer = {
  parley: Parley
  /** `http://127.0.0.1:<port>` */
  url: string
  /** The address of the metrics; only with METRICS_PORT. */
  metricsUrl: string
  clock: TestClock
  /** Returns every line logged so far, parsed. */
  logLines: () => Record<string, unknown>[]
  /** A client without credentials. */
  anonymous: Client
  /** Creates a user and logs in. */
  createUser(): Promise<Client>
  admin(): Promise<Client>
  close(): Promise<void>
}

export type TestServerOptions = {
  /** Variables in place of the defaults above, such as `RATE_LIMIT_CHAT: '10/60'`. */
  env?: Record<string, string>
  replacements?: Replacements
  /** A database that outlives the server: `close` leaves it open. */
  testStore?: TestStore
  clock?: TestClock
  /** The clock of the database; the server's own by default. */
  databaseNow?: () => Date
  /** For a test that breaks the contract on purpose; otherwise `close` throws if a response violated it. */
  allowsViolations?: true
}

/** @returns `<scheme>://127.0.0.1:<port>` */
async function listen(server: Server, scheme: string): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Starts the real server on a free port, with a real database, a test clock and no rate limits. */
export async function startServer(options: TestServerOptions = {}): Promise<TestServer> {
  const testStore = options.testStore ?? (await openTestStore())
  const clock = options.clock ?? new TestClock('2026-11-23T09:00:00.000Z')
  const config = readConfig({ ...DEFAULTS, ...options.env }, Object.keys(loadPolicies().limits))
  const lines: string[] = []
  const log = createLog('debug', { write: (line: string) => void lines.push(line) })
  const parley = await createParley(config, {
    signInDelayStepMs: 1,
    onValidResponse: recordResponse,
    ...options.replacements,
    deps: await createDependencies(options, config, { testStore, clock, log }),
  })
  const url = await listen(parley.server, config.server.tls ? 'https' : 'http')
  const metricsUrl = parley.metricsServer
    ? `${await listen(parley.metricsServer, 'http')}/metrics`
    : ''
  return {
    ...{ parley, url, metricsUrl, clock },
    logLines: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>),
    anonymous: createClient(url),
    createUser: () => createUser(parley, clock, url),
    admin: () => logIn(url, ADMIN.ADMIN_EMAIL, ADMIN.ADMIN_PASSWORD),
    async close() {
      const stopped = parley.stop(NO_GRACE)
      parley.server.closeAllConnections()
      await clock.advance(NO_GRACE)
      await stopped
      if (!options.testStore) await testStore.close()
      writeSeenResponses()
      const violations = lines.filter((line) => line.includes('"contract violated"'))
      if (!options.allowsViolations && violations.length > 0) throw new Error(violations.join(''))
    },
  }
}

type World = { testStore: TestStore; clock: TestClock; log: Log }

async function createDependencies(
  { env, replacements, databaseNow }: TestServerOptions,
  config: Config,
  { testStore, clock, log }: World,
): Promise<NonNullable<Replacements['deps']>> {
  const deps = {
    store: testStore.store,
    clock,
    log,
    ...((env?.SIGNING_KEYS_FILE ?? SHARED_KEYS) === SHARED_KEYS && {
      keys: await parseSigningKeys(await keysText, SHARED_KEYS, clock),
    }),
    engine: createEngine(config.engine, { clock, random: () => 0, log, wordDelayMs: 0 }),
    ...replacements?.deps,
  }
  // A database whose clock stood still would set the server's clock back again and again.
  const now = async () => (databaseNow ?? (() => deps.clock.now()))()
  // The test owns the database and may read it after the server has closed.
  return { ...deps, store: { ...deps.store, now, close: async () => {} } }
}

async function createUser({ deps }: Parley, clock: TestClock, url: string): Promise<Client> {
  const id = randomUUID()
  const password = `password of ${id}`
  const email = `${id}@example.com`
  const passwordHash = await deps.passwords.hash(password)
  const account = { id, role: 'user' as const, email, displayName: 'Ada', passwordHash }
  await deps.store.accounts.create({ ...account, now: clock.now() })
  return logIn(url, email, password)
}

async function logIn(url: string, email: string, password: string): Promise<Client> {
  const reply = await createClient(url).call('logIn', { body: { email, password } })
  if (reply.status !== 200) throw new Error(`Login failed: ${JSON.stringify(reply.body)}`)
  return createClient(url, { ...reply.body, email, password })
}
