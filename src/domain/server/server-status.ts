import type { Dependencies } from '../dependencies.ts'
import { inTime } from '../../ports/clock/in-time.ts'

/** Each thing the server depends on gets so long to answer, in milliseconds. */
const CHECK_TIMEOUT_MS = 2_000

export type ServerStatus = ReturnType<typeof createServerStatus>
export type CheckName = 'database' | 'schema' | 'limits' | 'engine' | 'listener'
export type Readiness = {
  status: 'ready' | 'degraded' | 'unavailable'
  checks: { name: CheckName; status: 'up' | 'down' }[]
}

type Deps = Pick<Dependencies, 'store' | 'limiter' | 'engine' | 'clock'> & { version: string }

/** What the server is, and whether it can serve. */
export function createServerStatus({ store, limiter, engine, clock, version }: Deps) {
  const startedAt = clock.now()
  const schema = store.newerMigrations().length === 0 ? 'up' : 'down'
  let draining = false

  const check = async (probe: () => Promise<unknown>): Promise<'up' | 'down'> => {
    try {
      return (await inTime(probe(), CHECK_TIMEOUT_MS, clock)) === 'down' ? 'down' : 'up'
    } catch {
      return 'down'
    }
  }

  return {
    describe() {
      const { kind, model, ruleBased } = engine
      const uptimeMs = clock.now().getTime() - startedAt.getTime()
      return {
        version,
        startedAt,
        uptimeSeconds: Math.max(0, Math.floor(uptimeMs / 1000)),
        engine: { kind, model, ruleBased },
      }
    },

    /**
     * The database and the limits decide; without the engine everything but chat works, and on the
     * schema of a newer version all that it has left alone.
     */
    async readiness(): Promise<Readiness> {
      const [database, limits, answers] = await Promise.all([
        check(() => store.ping()),
        check(() => limiter.check()),
        check(() => engine.check()),
      ])
      const listener = draining ? 'down' : 'up'
      const serves = database === 'up' && limits === 'up' && !draining
      const degraded = [answers, schema].includes('down') ? 'degraded' : 'ready'
      return {
        status: serves ? degraded : 'unavailable',
        checks: [
          { name: 'database', status: database },
          { name: 'schema', status: schema },
          { name: 'limits', status: limits },
          { name: 'engine', status: answers },
          { name: 'listener', status: listener },
        ],
      }
    },

    /** From now on the server is not ready: it is about to stop. */
    drain(): void {
      draining = true
    },
  }
}
