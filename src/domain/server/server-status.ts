import { inTime } from '../../ports/clock/in-time.ts'
import type { Dependencies } from '../dependencies.ts'

/** Each dependency has this long to respond. */
const CHECK_TIMEOUT_MS = 2_000

export type CheckName = 'database' | 'schema' | 'limits' | 'engine' | 'listener'
type CheckStatus = 'up' | 'down'
export type ServerDescription = {
  version: string
  startedAt: Date
  uptimeSeconds: number
  engine: Pick<Dependencies['engine'], 'kind' | 'model' | 'ruleBased'>
}
export type Readiness = {
  status: 'ready' | 'degraded' | 'unavailable'
  checks: { name: CheckName; status: CheckStatus }[]
}

type Deps = Pick<Dependencies, 'store' | 'limiter' | 'engine' | 'clock'> & { version: string }

/** Describes the server, and whether it can serve calls. */
export class ServerStatus {
  readonly #deps: Deps
  readonly #startedAt: Date
  readonly #schema: CheckStatus
  #isDraining = false

  constructor(deps: Deps) {
    this.#deps = deps
    this.#startedAt = deps.clock.now()
    this.#schema = deps.store.newerMigrations().length === 0 ? 'up' : 'down'
  }

  describe(): ServerDescription {
    const { clock, version } = this.#deps
    const { kind, model, ruleBased } = this.#deps.engine
    const startedAt = this.#startedAt
    const uptimeMs = clock.now().getTime() - startedAt.getTime()
    return {
      version,
      startedAt,
      uptimeSeconds: Math.max(0, Math.floor(uptimeMs / 1000)),
      engine: { kind, model, ruleBased },
    }
  }

  /**
   * The server is unavailable without its database or its rate limits. Without the engine
   * everything but chat works, and on the schema of a newer version everything that it has left
   * unchanged.
   */
  async readiness(): Promise<Readiness> {
    const { store, limiter, engine } = this.#deps
    const [database, limits, answers] = await Promise.all([
      this.#check(() => store.ping()),
      this.#check(() => limiter.check()),
      this.#check(() => engine.check()),
    ])
    const schema = this.#schema
    const canServe = database === 'up' && limits === 'up' && !this.#isDraining
    const degraded = [answers, schema].includes('down') ? 'degraded' : 'ready'
    return {
      status: canServe ? degraded : 'unavailable',
      checks: [
        { name: 'database', status: database },
        { name: 'schema', status: schema },
        { name: 'limits', status: limits },
        { name: 'engine', status: answers },
        { name: 'listener', status: this.#isDraining ? 'down' : 'up' },
      ],
    }
  }

  /** From now on the server is unavailable: it is about to stop. */
  drain(): void {
    this.#isDraining = true
  }

  async #check(probe: () => Promise<unknown>): Promise<CheckStatus> {
    try {
      const result = await inTime(probe(), CHECK_TIMEOUT_MS, this.#deps.clock)
      return result === 'down' ? 'down' : 'up'
    } catch {
      return 'down'
    }
  }
}
