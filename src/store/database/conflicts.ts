import { driverFailure } from './unavailable.ts'

/** The database itself waits before each, a second for a deadlock: more attempts do not help a caller. */
const MOST_TRIES = 3

/**
 * Retries what PostgreSQL has rolled back because of a conflict: rows locked in different orders (40P01), or
 * what the isolation level does not allow (40001). There is no pause: the other transaction goes on as soon
 * as this one is rolled back.
 * @param attempt one statement, or one transaction: a rollback leaves nothing of it
 * @throws what the last of three attempts throws
 */
export async function retryingConflicts<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 1; tries < MOST_TRIES; tries += 1) {
    try {
      return await attempt()
    } catch (error) {
      if (!isConflict(error)) throw error
    }
  }
  return attempt()
}

/** A statement in a transaction fails as DatabaseUnavailable, with the failure of the driver as its cause. */
function isConflict(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { kind, code } = driverFailure(error)
  const isOne = kind === 'TransactionWriteConflict' || /^(40001|40P01|P2034)$/.test(code ?? '')
  return isOne || isConflict(error.cause)
}
