import type { RequestHandler } from 'express'
import { Problem } from '../../domain/problem.ts'

/** For a year, browsers use HTTPS only (RFC 6797). Without subdomains, which may not be Parley's. */
export const STRICT_TRANSPORT = 'max-age=31536000'

/**
 * Tells browsers to keep to HTTPS, in responses to HTTPS requests only (RFC 6797 7.2). Whether a
 * request is one, the socket says, or a trusted proxy in `X-Forwarded-Proto`.
 */
export const keepToHttps: RequestHandler = (req, res, next) => {
  if (req.secure) res.setHeader('Strict-Transport-Security', STRICT_TRANSPORT)
  next()
}

/**
 * Refuses a request without HTTPS, before its credential or body is read. A redirect would hide the
 * mistake: the request has crossed the network in the clear, and so would the next one.
 * @param openPaths the paths that a load balancer inside the network calls without HTTPS
 */
export function requireHttps(openPaths: ReadonlySet<string>): RequestHandler {
  return (req, _res, next) => {
    if (req.secure || openPaths.has(req.path)) next()
    else next(new Problem('invalid-request', { detail: 'HTTPS is required.' }))
  }
}
