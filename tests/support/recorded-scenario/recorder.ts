import { v7 } from 'uuid'
import type { Scope } from '../../../generated/api.ts'
import { BuiltinEngine } from '../../../src/engine/builtin/builtin.ts'
import type { Engine } from '../../../src/engine/engine.ts'
import type { Operations } from '../../../src/operations/operation.ts'
import type { Ids } from '../../../src/ports/ids.ts'
import { policies } from '../contract/contract.ts'
import { TestClock } from '../clock/clock.ts'
import { openEmbeddedTestStore, type TestStore } from '../database/database.ts'
import { createOutageStore } from '../database/outage-store.ts'
import { createRandom } from '../random.ts'
import { type SpyStore, spyOnStore } from '../database/spy-store.ts'
import { startServer, type TestServer } from '../server.ts'
import { type ScenarioRequest, type DocumentedId, exchange, type Exchange } from './exchange.ts'

/** The time between two calls of the scenario. */
const PAUSE_MS = 1_250
const START = '2026-11-23T09:00:00.000Z'
export const PASSWORD = 'correct horse battery staple'

/** The headers that authenticate a caller. */
export type Credentials = Record<string, string>

/** A server whose time, ids and engine are the same in every run, and the calls that were made to it. */
export type Scenario = {
  server: TestServer
  testStore: TestStore
  /** The calls so far, in order. */
  exchanges: Exchange[]
  call: (
    credentials: Credentials,
    operationId: DocumentedId,
    request?: ScenarioRequest,
  ) => Promise<Exchange>
  /** Logs in and returns the credentials. */
  logIn(email: string, password?: string): Promise<Credentials>
  /** Replaces the engine. */
  engine(engine: Engine): void
  builtin: Engine
  database: { isUnavailable: boolean }
  store: SpyStore
  /** While `areThrown`, listing modes fails with an internal error. */
  bugs: { areThrown: boolean }
  close(): Promise<void>
}

/** Returns the body as `T`, which the scenario knows. @throws for a failure */
// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the scenario knows
export function bodyOf<T>({ operationId, status, body }: Exchange): T {
  if (status < 300) return body as T
  throw new Error(`${operationId} answered ${String(status)} ${JSON.stringify(body)}`)
}

/** Options for tests that play the scenario for another purpose. */
export type ScenarioOptions = {
  testStore?: TestStore
  /** Wraps each call; `send` makes it. */
  watch?: (send: () => Promise<Exchange>) => Promise<Exchange>
}

export async function openScenario(options: ScenarioOptions): Promise<Scenario> {
  const testStore = options.testStore ?? (await openEmbeddedTestStore())
  const clock = new TestClock(START)
  const store = spyOnStore(testStore.store)
  const database = createOutageStore(store.store)
  const bugs = { areThrown: false }
  const builtin = new BuiltinEngine({ wait: () => Promise.resolve(), wordDelayMs: 0 })
  const engine = createReplaceableEngine(builtin)
  const server = await startServer({
    testStore,
    clock,
    env: { REGISTRATION: 'open', ...quotasOfContract(), MAX_OPEN_STREAMS: '1' },
    replacements: {
      deps: { engine: engine.engine, ids: seededIds(clock), store: database.store },
      operations: (real) => withBugs(real, bugs),
    },
  })
  const recorder = createRecorder(server, options.watch)
  return {
    ...{ server, testStore, builtin, database, store, bugs, ...recorder },
    engine: engine.replace,
    async logIn(email, password = PASSWORD) {
      const reply = await recorder.call({}, 'logIn', { body: { email, password } })
      const { accessToken } = bodyOf<{ accessToken: string }>(reply)
      return { Authorization: `Bearer ${accessToken}` }
    },
    async close() {
      database.isUnavailable = false
      await server.close()
      await testStore.close()
    },
  }
}

/** Makes the calls of the scenario, with a pause before each, and records them. */
function createRecorder(
  { url, clock }: TestServer,
  watch: ScenarioOptions['watch'],
): Pick<Scenario, 'call' | 'exchanges'> {
  const exchanges: Exchange[] = []
  return {
    exchanges,
    async call(credentials, operationId, request = {}) {
      await clock.advance(PAUSE_MS)
      const headers = { 'User-Agent': 'ExampleApp/1.0', ...credentials }
      const send = () => exchange(url, headers, operationId, request)
      const recorded = watch ? await watch(send) : await send()
      exchanges.push(recorded)
      return recorded
    },
  }
}

/** An engine that the scenario replaces while the server runs. */
function createReplaceableEngine(first: Engine) {
  let current = first
  const engine: Engine = {
    kind: first.kind,
    model: first.model,
    ruleBased: first.ruleBased,
    answer: (turn, signal) => current.answer(turn, signal),
    check: () => first.check(),
  }
  return {
    engine,
    replace(next: Engine) {
      current = next
    },
  }
}

const withBugs = (real: Operations, bugs: Scenario['bugs']): Operations => ({
  ...real,
  listModes: (...given) =>
    bugs.areThrown ? Promise.reject(new Error('a bug')) : real.listModes(...given),
})

/** Returns the quotas of the contract, which replace those of the tests. */
function quotasOfContract(): Record<string, string> {
  const entries = Object.values(policies.limits).map(({ name, quota, windowSeconds }) => [
    `RATE_LIMIT_${name.toUpperCase().replaceAll('-', '_')}`,
    `${String(quota)}/${String(windowSeconds)}`,
  ])
  return Object.fromEntries(entries) as Record<string, string>
}

/** Ids that look like those of a server and are the same in every run. */
function seededIds(clock: TestClock): Ids {
  const random = createRandom(20_261_123)
  const bytes = () => Uint8Array.from({ length: 16 }, () => random.int(0, 255))
  let seq = 0
  return {
    next: () => v7({ msecs: clock.now().getTime(), seq: (seq += 1_000_003), random: bytes() }),
    requestId: () => v7({ msecs: clock.now().getTime(), seq: (seq += 1_000_003), random: bytes() }),
  }
}

/** Creates a service account with these scopes and returns the credentials of its key. */
export async function createServiceAccount(
  { call }: Scenario,
  admin: Credentials,
  name: string,
  scopes: readonly Scope[],
): Promise<Credentials> {
  const account = await call(admin, 'createServiceAccount', { body: { name, scopes } })
  const path = { serviceAccountId: bodyOf<{ id: string }>(account).id }
  const key = await call(admin, 'createApiKey', { path, body: { name: 'production' } })
  return { 'X-API-Key': bodyOf<{ secret: string }>(key).secret }
}
