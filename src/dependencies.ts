import { dictionary } from '@zxcvbn-ts/language-common'
import type { Config } from './config.ts'
import { createAccessTokens, type AccessTokens } from './domain/access-tokens.ts'
import { type ApiKeyFormat, createApiKeyFormat } from './domain/api-key-format.ts'
import { createCursors, type Cursors } from './domain/cursors.ts'
import { createRefreshTokens, type RefreshTokens } from './domain/refresh-tokens.ts'
import type { Engine } from './engine/engine.ts'
import { createEngine } from './engine/index.ts'
import { type Clock, systemClock } from './ports/clock.ts'
import { createIds, type Ids } from './ports/ids.ts'
import { createMemoryLimiter, type Limiter } from './ports/limiter.ts'
import { createLog, type Log } from './ports/log.ts'
import { createPasswords, type Passwords } from './ports/passwords.ts'
import { deriveKey, loadServerSecret } from './ports/server-secret.ts'
import { loadSigningKeys, type SigningKeys } from './ports/signing-keys.ts'
import { openStore, type Store } from './store/store.ts'

/** What the program needs from the world. Each can be replaced; tests replace the clock. */
export type Dependencies = {
  store: Store
  limiter: Limiter
  clock: Clock
  ids: Ids
  passwords: Passwords
  /** Passwords that are refused because everybody tries them first. */
  commonPasswords: readonly string[]
  keys: SigningKeys
  accessTokens: AccessTokens
  refreshTokens: RefreshTokens
  apiKeys: ApiKeyFormat
  cursors: Cursors
  engine: Engine
  log: Log
}

/** Who issues access tokens, and for whom. */
const ISSUER = 'parley'
const AUDIENCE = 'parley-api'

/**
 * Opens everything that the configuration asks for, except for what is given.
 * @throws when the database cannot be opened or migrated, or a key file is not in order
 */
export async function openDependencies(
  config: Config,
  given: Partial<Dependencies> = {},
): Promise<Dependencies> {
  const { identity, store: where, engine } = config
  const clock = given.clock ?? systemClock
  const source = { given: identity.serverSecret, dataDir: where.dataDir }
  const secret = await loadServerSecret(source)
  const log = given.log ?? createLog(config.log.level)
  const keysAt = { file: identity.signingKeysFile, dataDir: where.dataDir }
  const keys = given.keys ?? (await loadSigningKeys(keysAt, { clock, log }))
  return {
    clock,
    keys,
    ids: createIds(clock),
    log,
    limiter: createMemoryLimiter(),
    passwords: createPasswords({ key: deriveKey(secret, 'passwords'), cost: identity.bcryptCost }),
    commonPasswords: dictionary['passwords-common'],
    accessTokens: createAccessTokens({
      keys,
      clock,
      issuer: ISSUER,
      audience: AUDIENCE,
      ttlSeconds: identity.accessTokenTtlSeconds,
    }),
    refreshTokens: createRefreshTokens(deriveKey(secret, 'refresh-tokens')),
    apiKeys: createApiKeyFormat(deriveKey(secret, 'api-keys')),
    cursors: createCursors(deriveKey(secret, 'cursors')),
    engine: createEngine(engine, { clock, random: Math.random }),
    store: given.store ?? (await openStore(storeOptions(where))),
    ...given,
  }
}

function storeOptions({ databaseUrl, dataDir }: Config['store']) {
  return databaseUrl === undefined ? { dataDir } : { databaseUrl }
}
