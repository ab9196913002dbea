import type { RequestHandler } from 'express'

/*
 * Steps for requests that are refused before an operation is looked up, because they cannot be read
 * as HTTP, or not safely. They are logged and answered like every call.
 */

/** Runs a CORS step on a refusal, which is no preflight whatever its method is. */
export function asNoPreflight(step: RequestHandler): RequestHandler {
  return (req, res, next) => {
    const { method } = req
    req.method = 'GET'
    void step(req, res, (error?: unknown) => {
      req.method = method
      next(error)
    })
  }
}

/**
 * The parser may refuse a request before it has read `Origin`. With a single allowed origin, the
 * response names it all the same: a browser compares it with the page's own.
 */
export function assumeOrigin(origins: readonly string[]): RequestHandler {
  const [only] = origins
  return (req, _res, next) => {
    if (origins.length === 1) req.headers.origin ??= only
    next()
  }
}

export const throwRefusal: RequestHandler = (req) => {
  throw req.refusal ?? new Error('Nothing was refused.')
}
