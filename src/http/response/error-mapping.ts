import { Problem } from '../../domain/problem.ts'
import { LimiterUnavailable } from '../../ports/limiter/limiter.ts'
import { HashQueueFull } from '../../ports/passwords/passwords.ts'
import { AccountClosed } from '../../store/account-closed.ts'
import { DatabaseUnavailable } from '../../store/database/unavailable.ts'

/**
 * The problem that a thrown error becomes. Nothing internal is shown.
 * @param callerId the caller's account, if there is a caller
 */
export function problemOf(error: unknown, callerId?: string): Problem {
  if (error instanceof Problem) return error
  // Closed since it was read: it is the caller's own account, or the one that the call is about.
  if (error instanceof AccountClosed) {
    const isOther = callerId !== undefined && callerId !== error.accountId
    return new Problem(isOther ? 'not-found' : 'token-invalid')
  }
  if (error instanceof DatabaseUnavailable) return new Problem('unavailable', { cause: error })
  if (error instanceof HashQueueFull || error instanceof LimiterUnavailable) {
    const { retryAfterSeconds } = error
    return new Problem('unavailable', { retryAfterSeconds, cause: error })
  }
  // Express's router: a path parameter that is not percent-encoded UTF-8.
  if (error instanceof URIError) {
    return new Problem('invalid-request', { detail: 'The path is malformed.' })
  }
  return new Problem('internal', { cause: error })
}
