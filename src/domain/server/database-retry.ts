import type { Clock } from '../../ports/clock/clock.ts'
import { DatabaseUnavailable } from '../../store/store.ts'

/** The pauses between attempts, in milliseconds. */
export const RETRIES_MS = [100, 500, 2_000, 5_000]

/**
 * Retries for some seconds while the database is unavailable. A commit that failed may have
 * succeeded: use it for idempotent work only, such as ending a generation.
 * @throws DatabaseUnavailable when it stays unavailable; any other error immediately
 */
export async function retrying<T>(clock: Clock, attempt: () => Promise<T>): Promise<T> {
  for (const pauseMs of RETRIES_MS) {
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof DatabaseUnavailable)) throw error
      await clock.wait(pauseMs)
    }
  }
  return attempt()
}
