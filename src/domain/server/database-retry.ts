import type { Clock } from '../../ports/clock/clock.ts'
import { DatabaseUnavailable } from '../../store/store.ts'

/** The pauses, in milliseconds, after which it is tried again when the database failed. */
export const RETRIES_MS = [100, 500, 2_000, 5_000]

/**
 * Tries again while the database is away, for some seconds. A commit that failed may have happened:
 * only for what is done once however often it is asked for, such as ending a generation.
 * @throws DatabaseUnavailable when it stays away, and at once whatever else fails
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
