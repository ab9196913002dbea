import type { RequestHandler } from 'express'
import { slowDown } from 'express-slow-down'
import { addressSubject } from '../domain/limit-subjects.ts'

const WINDOW_MS = 15 * 60_000
/** The failures that go unpunished: the third one is delayed. */
const FREE_FAILURES = 2
const LONGEST_DELAY_MS = 5_000

/**
 * express-slow-down for the sign-in paths: each failure from one address makes the next try there
 * wait longer, until the limits refuse it. A success does not count.
 * @param delayStepMs how much longer each further failure takes
 */
export function slowDownFailures(delayStepMs: number): RequestHandler {
  return slowDown({
    windowMs: WINDOW_MS,
    delayAfter: FREE_FAILURES,
    delayMs: (hits) => (hits - FREE_FAILURES) * delayStepMs,
    maxDelayMs: LONGEST_DELAY_MS,
    skipSuccessfulRequests: true,
    keyGenerator: (req) => addressSubject(req.call.address),
    // The address is ours and its /64 too; the library's checks are about `req.ip` and headers.
    validate: false,
  })
}
