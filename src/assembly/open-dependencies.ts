import { join } from 'node:path'
import { dictionary } from '@zxcvbn-ts/language-common'
import type { Config } from '../config/config.ts'
import { AccessTokens } from '../domain/identity/access-tokens.ts'
import { ApiKeyFormat } from '../domain/identity/api-key-format.ts'
import { Cursors } from '../domain/lists/cursors.ts'
import { RefreshTokens } from '../domain/identity/refresh-tokens.ts'
import { createEngine } from '../engine/create-engine.ts'
import { createAgreedClock } from '../ports/clock/agreed-clock.ts'
import { type Clock, systemClock } from '../ports/clock/clock.ts'
import { createIds } from '../ports/ids.ts'
import type { Limiter } from '../ports/limiter/limiter.ts'
import { MemoryLimiter } from '../ports/limiter/memory.ts'
import { PostgresLimiter } from '../ports/limiter/postgres.ts'
import { FallbackLimiter } from '../ports/limiter/fallback.ts'
import { createLog, type Log } from '../ports/observability/log.ts'
import { type Meter, noMeter } from '../ports/observability/meter.ts'
import { OperatorRequests } from '../ports/operator-requests.ts'
import { createPasswords } from '../ports/passwords/passwords.ts'
import type { Relay } from '../ports/redis/relay.ts'
import { deriveKey, loadServerSecret } from '../ports/keys/server-secret.ts'
import { loadSigningKeys } from '../ports/keys/signing-keys.ts'
import type { Tracer } from '../ports/observability/tracer.ts'
import { NodeEventLoop } from '../ports/clock/event-loop.ts'
import { packageVersion } from '../lib/package-root.ts'
import {
  hasEmbeddedDatabase,
  makeDataDir,
  refuseIncomplete,
} from '../store/database/embedded-folder.ts'
import { openLimitCounters } from '../store/limit-counters.ts'
import { openStore } from '../store/store.ts'
import { traced } from './traced-dependencies.ts'
import type { World } from './world.ts'

/** Dependencies that exist already. A given clock is the one that the agreed clock is made from. */
export type Given = Partial<Omit<World, 'clock'> & { clock: Clock }>

/** The `iss` and `aud` of access tokens. */
const ISSUER = 'parley'
const AUDIENCE = 'parley-api'

/**
 * Opens everything that the configuration asks for, except for what is given.
 * @throws when the database cannot be opened or migrated, or a key file is not in order
 */
export async function openDependencies(config: Config, given: Given = {}): Promise<World> {
  const { identity, store: where, engine } = config
  const clock = createAgreedClock(given.clock ?? systemClock)
  const log = given.log ?? createLog(config.log.level)
  const { dataDir } = where
  // Looked up before the secret: another process that starts now makes the secret first.
  const hasData = where.databaseUrl === undefined && !given.store && findData(dataDir)
  const secret = await loadServerSecret({ given: identity.serverSecret, dataDir, hasData })
  const keysAt = { file: identity.signingKeysFile, dataDir, hasData }
  const keys = given.keys ?? (await loadSigningKeys(keysAt, { clock, log }))
  const tracer = given.tracer ?? (await openTracer(config, log))
  const opened = {
    keys,
    log,
    meter: given.meter ?? (await openMeter(config)),
    eventLoop: new NodeEventLoop(),
    ids: createIds(clock),
    ...createCredentials(config, secret, { keys, clock }),
    engine: createEngine(engine, { clock, random: Math.random, log }),
    store: given.store ?? (await openStore(storeOptions(where))),
    limiter: given.limiter ?? (await openLimiter(where, { clock, log })),
    ...(where.redisUrl !== undefined && { relay: await openRelay(where.redisUrl, clock) }),
    ...(where.databaseUrl === undefined && {
      operatorRequests: openOperatorRequests(dataDir, secret, clock),
    }),
    ...(tracer && { tracer }),
    ...given,
    clock,
  }
  await agreeOnTime(opened)
  return tracer ? traced(opened, tracer) : opened
}

/** How passwords, tokens, keys and cursors are made and checked. */
function createCredentials(
  { identity }: Config,
  secret: string,
  { keys, clock }: Pick<World, 'keys' | 'clock'>,
) {
  return {
    passwords: createPasswords({ key: deriveKey(secret, 'passwords'), cost: identity.bcryptCost }),
    commonPasswords: dictionary['passwords-common'],
    accessTokens: new AccessTokens({
      keys,
      clock,
      issuer: ISSUER,
      audience: AUDIENCE,
      ttlSeconds: identity.accessTokenTtlSeconds,
    }),
    refreshTokens: new RefreshTokens(deriveKey(secret, 'refresh-tokens')),
    apiKeys: new ApiKeyFormat(deriveKey(secret, 'api-keys')),
    cursors: new Cursors(deriveKey(secret, 'cursors')),
  }
}

/** Where a command reaches the process that has DATA_DIR open. */
export function openOperatorRequests(
  dataDir: string,
  secret: string,
  clock: Clock,
): OperatorRequests {
  const key = deriveKey(secret, 'operator-requests')
  return new OperatorRequests(join(dataDir, 'requests'), key, clock)
}

/** Whether DATA_DIR has a database. Makes the folder, and refuses one that cannot be used. */
function findData(dataDir: string): boolean {
  makeDataDir(dataDir)
  refuseIncomplete(dataDir)
  return hasEmbeddedDatabase(dataDir)
}

/** Sets the clock by the database that instances share; an embedded one uses this clock itself. */
export async function agreeOnTime({ clock, store }: Pick<World, 'clock' | 'store'>): Promise<void> {
  if (!store.embedded) await clock.setBy(store.now)
}

/** Loaded only where traces are collected. */
async function openTracer({ traces }: Config, log: Log): Promise<Tracer | undefined> {
  if (!traces) return undefined
  const { createOpenTelemetryTracer } =
    await import('../ports/observability/opentelemetry-tracer.ts')
  return createOpenTelemetryTracer({ ...traces, version: packageVersion() }, log)
}

/** Loaded only where metrics are served: other servers do not pay for it. */
async function openMeter({ server }: Config): Promise<Meter> {
  if (!server.metrics) return noMeter
  const { createPrometheusMeter } = await import('../ports/observability/prometheus-meter.ts')
  return createPrometheusMeter()
}

function storeOptions({ databaseUrl, dataDir }: Config['store']) {
  return databaseUrl === undefined ? { dataDir } : { databaseUrl }
}

/** The client is loaded only where Redis is configured: loading takes a twentieth of the start. */
async function openRelay(redisUrl: string, clock: Clock): Promise<Relay> {
  const { openRedisRelay } = await import('../ports/redis/relay.ts')
  return openRedisRelay(redisUrl, clock)
}

/** Counts the limits in Redis if there is one, else where the data are. */
async function openLimiter(
  { redisUrl, databaseUrl }: Config['store'],
  deps: Pick<World, 'clock' | 'log'>,
): Promise<Limiter> {
  const local = new MemoryLimiter(deps.clock)
  if (redisUrl !== undefined) {
    const { openRedisLimiter } = await import('../ports/limiter/redis.ts')
    return new FallbackLimiter(await openRedisLimiter(redisUrl, deps.clock), local, deps)
  }
  if (databaseUrl === undefined) return local
  const shared = new PostgresLimiter(openLimitCounters(databaseUrl))
  // The first connection may take longer than a call waits; a failure shows at the first call.
  await shared.check().catch(() => {})
  return new FallbackLimiter(shared, local, deps)
}
