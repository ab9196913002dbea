import type { RequestHandler } from 'express'
import { Problem } from '../../domain/problem.ts'

/** For a year a browser that was here comes by HTTPS alone (RFC 6797). Other hosts are not ours. */
export const STRICT_TRANSPORT = 'max-age=31536000'

/**
 * Tells browsers to keep to HTTPS. Only what came by HTTPS may be told (RFC 6797 7.2); that it did
 * is the socket's word, or that of a trusted proxy in `X-Forwarded-Proto`.
 */
export const keepToHttps: RequestHandler = (req, res, next) => {
  if (req.secure) res.setHeader('Strict-Transport-Security', STRICT_TRANSPORT)
  next()
}

/**
 * Refuses what did not come by HTTPS, before a credential or a body of it is looked at. A redirect
 * would hide the mistake: what the client sent has crossed the network already, and the next time
 * would again.
 * @param openPaths what a load balancer inside the network asks without HTTPS
 */
export function requireHttps(openPaths: ReadonlySet<string>): RequestHandler {
  return (req, _res, next) => {
    if (req.secure || openPaths.has(req.path)) next()
    else next(new Problem('invalid-request', { detail: 'HTTPS is required.' }))
  }
}
