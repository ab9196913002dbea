import type { RequestHandler } from 'express'
import { MemoryStore, type Options, type Store } from 'express-rate-limit'
import { slowDown } from 'express-slow-down'
import { addressSubject } from '../../domain/limits/limit-subjects.ts'

const WINDOW_MS = 15 * 60_000
/** The failures that go unpunished: the third one is delayed. */
const FREE_FAILURES = 2
const LONGEST_DELAY_MS = 5_000
/** A secret that was wrong. What is malformed tried none, and what failed here is not the caller's fault. */
const WRONG_SECRET = 401

/**
 * express-slow-down for the sign-in paths: each wrong secret from one address makes the next try there
 * wait longer, until the limits refuse it. Nothing else does, however many try at once: behind one
 * address may be a whole office.
 * @param delayStepMs how much longer each further failure takes
 */
export function slowDownFailures(delayStepMs: number): RequestHandler {
  const failures = new MemoryStore()
  const delay = slowDown({
    windowMs: WINDOW_MS,
    delayAfter: FREE_FAILURES,
    delayMs: (hits) => (hits - FREE_FAILURES) * delayStepMs,
    maxDelayMs: LONGEST_DELAY_MS,
    store: readingOf(failures),
    keyGenerator: (req) => addressSubject(req.call.address),
    // The address is ours and its /64 too; the library's checks are about `req.ip` and headers.
    validate: false,
  })
  return (req, res, next) => {
    // Not `finish`: who hangs up before the answer has tried all the same.
    res.once('close', () => {
      if (res.statusCode === WRONG_SECRET) void failures.increment(addressSubject(req.call.address))
    })
    void delay(req, res, next)
  }
}

/** The library counts each try when it comes, so that those on their way would delay one another. */
function readingOf(failures: MemoryStore): Store {
  return {
    init: (options: Options) => {
      failures.init(options)
    },
    async increment(key) {
      const seen = await failures.get(key)
      return { totalHits: (seen?.totalHits ?? 0) + 1, resetTime: seen?.resetTime }
    },
    decrement: () => undefined,
    resetKey: (key) => failures.resetKey(key),
  }
}
