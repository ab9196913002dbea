import type { RequestHandler } from 'express'
import type { MovedPath } from '../../contract/policy.ts'
import { announceDeprecation } from '../response/deprecation.ts'
import { setLimitHeaders } from '../response/limit-headers.ts'

/**
 * The steps for the old URL of a path: 308 to the new one, so that clients send method and body again.
 * @param count counts the call against its limits
 */
export function redirectMoved(moved: MovedPath, count: RequestHandler): RequestHandler[] {
  const matched: RequestHandler = (req, _res, next) => {
    req.call.policy = moved.policy
    next()
  }
  return [matched, count, redirect(moved)]
}

function redirect({ to, deprecation }: MovedPath): RequestHandler {
  return (req, res) => {
    const query = req.url.indexOf('?')
    res.statusCode = 308
    res.setHeader('Location', query === -1 ? to : to + asUri(req.url.slice(query)))
    res.setHeader('Cache-Control', 'no-store')
    announceDeprecation(res, deprecation)
    setLimitHeaders(res, req.call.limits)
    res.end()
  }
}

/** A query as RFC 3986 allows it: parsers of requests accept more, for example `[`. */
function asUri(query: string): string {
  const encoded = query.replaceAll(/[^\w\-.~:/?@!$&'()*+,;=%]/g, encodeURIComponent)
  return encoded.replaceAll(/%(?![0-9a-f]{2})/gi, '%25')
}
