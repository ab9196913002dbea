import type { Clock } from '../../ports/clock/clock.ts'
import type { ApiKeyCredentials } from '../identity/api-key-credentials.ts'
import { Problem } from '../problem.ts'
import type { AccountStatus } from './account-status.ts'
import type { Principal } from './principal.ts'
import type { Revocations } from './revocations.ts'

/** A change on another instance arrives within 2 s, and a stream has to end within 5 s of it. */
const CHECK_EVERY_MS = 1_000

type Deps = {
  clock: Clock
  accountStatus: AccountStatus
  revocations: Revocations
  credentials: ApiKeyCredentials
}

/** Notices while a long reply is sent that its caller has lost access. */
export class AccessMonitor {
  readonly #deps: Deps

  constructor(deps: Deps) {
    this.#deps = deps
  }

  /**
   * Checks the caller every second until `stop` is called.
   * @returns `lost`, which aborts with the Problem as its reason
   */
  watch(caller: Principal): { lost: AbortSignal; stop: () => void } {
    const controller = new AbortController()
    const stop = this.#deps.clock.every(CHECK_EVERY_MS, async () => {
      const problem = await this.#findProblem(caller)
      if (problem) controller.abort(problem)
    })
    return { lost: controller.signal, stop }
  }

  async #findProblem(caller: Principal): Promise<Problem | undefined> {
    try {
      if (await this.#isRevoked(caller)) return new Problem('token-invalid')
      this.#deps.accountStatus.apply(caller)
      return undefined
    } catch (error) {
      // The database is unavailable: that says nothing about the caller.
      return error instanceof Problem ? error : undefined
    }
  }

  async #isRevoked({ sessionId, apiKeyId }: Principal): Promise<boolean> {
    const { revocations, credentials } = this.#deps
    if (sessionId !== undefined && revocations.isRevoked(sessionId)) return true
    return apiKeyId !== undefined && !(await credentials.isAlive(apiKeyId))
  }
}
