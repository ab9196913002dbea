import type { RequestHandler } from 'express'
import { MemoryStore, type Options, type Store } from 'express-rate-limit'
import { slowDown } from 'express-slow-down'
import { addressSubject } from '../../domain/limits/limit-subjects.ts'

const WINDOW_MS = 15 * 60_000
/** Failures without a delay: the third attempt is delayed. */
const FREE_FAILURES = 2
const LONGEST_DELAY_MS = 5_000
/** The status for a wrong secret. A malformed request tries none, and a 5xx is not the caller's fault. */
const WRONG_SECRET = 401

/**
 * express-slow-down for the sign-in paths: each wrong secret from an address makes the next attempt
 * from there wait longer, until the limits refuse it. Concurrent attempts alone do not: a whole
 * office may share an address.
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
    // The library checks its use of `req.ip` and of headers; neither is used here.
    validate: false,
  })
  return (req, res, next) => {
    // Not `finish`: an attempt counts even if the client hangs up before the response.
    res.once('close', () => {
      if (res.statusCode === WRONG_SECRET) void failures.increment(addressSubject(req.call.address))
    })
    void delay(req, res, next)
  }
}

/** The library counts an attempt when it arrives, so concurrent attempts would delay one another. */
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
