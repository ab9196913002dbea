import type { Clock } from '../../ports/clock/clock.ts'
import type { ApiKeyCredentials } from '../identity/api-key-credentials.ts'
import type { Principal } from './principal.ts'
import { Problem } from '../problem.ts'
import type { Revocations } from './revocations.ts'
import type { Standing } from './account-status.ts'

/** Changes of others are heard within 2 s, and a stream is to end within 5 s of one. */
const LOOK_EVERY_MS = 1_000

type Deps = {
  clock: Clock
  standing: Standing
  revocations: Revocations
  credentials: ApiKeyCredentials
}

/** Notices that a caller may not go on, in the middle of an answer that takes long. */
export function createCallerWatch({ clock, standing, revocations, credentials }: Deps) {
  const problemOf = async (caller: Principal): Promise<Problem | undefined> => {
    try {
      const { sessionId, apiKeyId } = caller
      const isEnded = sessionId !== undefined && revocations.isSessionEnded(sessionId)
      const isDead = apiKeyId !== undefined && !(await credentials.isAlive(apiKeyId))
      if (isEnded || isDead) return new Problem('token-invalid')
      standing.apply(caller)
      return undefined
    } catch (error) {
      // The database is away: what is known has not changed.
      return error instanceof Problem ? error : undefined
    }
  }

  return {
    /** @returns aborts with the problem as its reason; `stop` ends the watch */
    begin(caller: Principal): { ended: AbortSignal; stop: () => void } {
      const over = new AbortController()
      const stop = clock.every(LOOK_EVERY_MS, async () => {
        const problem = await problemOf(caller)
        if (problem) over.abort(problem)
      })
      return { ended: over.signal, stop }
    },
  }
}
