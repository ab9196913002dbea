import type { RequestHandler } from 'express'

/*
 * Steps of what is refused before its operation is looked for, because it could not be read as a
 * request, or not safely: it is logged and answered like every call.
 */

/** CORS for an answer that is a refusal whatever the method is, a preflight's included. */
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
 * Headers may be unknown where a request was refused in the middle of them. Where one origin alone may
 * read answers it is named all the same: a browser compares it with the page's own.
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
