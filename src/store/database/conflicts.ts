import { driverFailure } from './unavailable.ts'

/** Each time the database itself has waited, a second for a deadlock: more is no help to a caller. */
const MOST_TRIES = 3

/**
 * Does again what PostgreSQL has undone because two of them stood in each other's way: rows that are
 * locked in different orders (40P01), or what the isolation level does not allow (40001). There is no
 * pause: who was in the way goes on as soon as this one has given way.
 * @param attempt one statement, or one transaction: of what was undone nothing is left
 * @throws whatever the last of three attempts throws
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

/** A statement of a transaction has failed as DatabaseUnavailable, with what happened as its cause. */
function isConflict(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { kind, code } = driverFailure(error)
  const isOne = kind === 'TransactionWriteConflict' || /^(40001|40P01|P2034)$/.test(code ?? '')
  return isOne || isConflict(error.cause)
}
