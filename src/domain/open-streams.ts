import type { Call } from './call.ts'
import type { Principal } from './principal.ts'
import { Problem } from './problem.ts'

/** When a caller may try again: streams end when their answers do. */
const RETRY_SECONDS = 5

export type OpenStreams = ReturnType<typeof createOpenStreams>

/**
 * How many streams each caller has open here.
 * @param most that one caller may have
 */
export function createOpenStreams(most: number) {
  const open = new Map<string, number>()

  return {
    /** Takes a place until the call is over. @throws {Problem} too-many-streams */
    take(caller: Principal, call: Call): void {
      const now = open.get(caller.id) ?? 0
      if (now >= most) {
        throw new Problem('too-many-streams', {
          violatedPolicies: ['streams'],
          retryAfterSeconds: RETRY_SECONDS,
        })
      }
      open.set(caller.id, now + 1)
      call.whenOver(() => {
        const left = (open.get(caller.id) ?? 1) - 1
        if (left > 0) open.set(caller.id, left)
        else open.delete(caller.id)
      })
    },
  }
}
