import type { Engine } from '../engine/engine.ts'
import type { AgreedClock } from '../ports/clock/agreed-clock.ts'
import type { EventLoop } from '../ports/clock/event-loop.ts'
import type { Ids } from '../ports/ids.ts'
import type { Limiter } from '../ports/limiter/limiter.ts'
import type { Log } from '../ports/observability/log.ts'
import type { Meter } from '../ports/observability/meter.ts'
import type { Passwords } from '../ports/passwords/passwords.ts'
import type { Relay } from '../ports/redis/relay.ts'
import type { Store } from '../store/store.ts'
import type { AccessTokens } from './identity/access-tokens.ts'
import type { ApiKeyFormat } from './identity/api-key-format.ts'
import type { RefreshTokens } from './identity/refresh-tokens.ts'
import type { Cursors } from './lists/cursors.ts'

/** What the domain needs. `src/assembly` opens each of them; tests replace the clock. */
export type Dependencies = {
  store: Store
  limiter: Limiter
  /** Carries parts of answers to other instances; present where Redis is configured. */
  relay?: Relay
  /** Agrees with the database's clock where instances share a database. */
  clock: AgreedClock
  /** Yields during long work. */
  eventLoop: EventLoop
  ids: Ids
  passwords: Passwords
  /** Passwords that are refused because attackers try them first. */
  commonPasswords: readonly string[]
  accessTokens: AccessTokens
  refreshTokens: RefreshTokens
  apiKeys: ApiKeyFormat
  cursors: Cursors
  engine: Engine
  log: Log
  meter: Meter
}
