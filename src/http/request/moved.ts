import type { ServerResponse } from 'node:http'
import type { RequestHandler } from 'express'
import type { MovedPath } from '../../contract/policy.ts'
import type { Deprecation } from '../../contract/extensions.ts'
import { setLimitHeaders } from '../response/limit-headers.ts'

/** Where the docs explain what happens to deprecated things. */
const DEPRECATION_GUIDE = '/docs#section/Versions-and-changes'

/** `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and the link to read about it. */
export function announceDeprecation(res: ServerResponse, { since, sunset }: Deprecation): void {
  res.setHeader('Deprecation', `@${since.getTime() / 1000}`)
  res.setHeader('Sunset', sunset.toUTCString())
  res.setHeader('Link', `<${DEPRECATION_GUIDE}>; rel="deprecation"; type="text/html"`)
}

/**
 * The old place of a path: 308 to the new one, so that method and body are sent again.
 * @param count of the limits
 */
export function answerMoved(moved: MovedPath, count: RequestHandler): RequestHandler[] {
  const begin: RequestHandler = (req, _res, next) => {
    req.call.policy = moved.policy
    next()
  }
  return [begin, count, redirect(moved)]
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

/** A query as a URI may hold it (RFC 3986): parsers of requests take more, `[` say. */
function asUri(query: string): string {
  const encoded = query.replaceAll(/[^\w\-.~:/?@!$&'()*+,;=%]/g, encodeURIComponent)
  return encoded.replaceAll(/%(?![0-9a-f]{2})/gi, '%25')
}
