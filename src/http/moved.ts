import type { RequestHandler } from 'express'
import type { MovedPath } from '../contract/moved-paths.ts'
import type { Deprecation } from '../contract/policies.ts'
import { setLimitHeaders } from './limit-headers.ts'

/** Where the docs explain what happens to deprecated things. */
const DEPRECATION_GUIDE = '/docs#section/Versions-and-changes'

/** `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and the link to read about it. */
export function announceDeprecation({ since, sunset }: Deprecation): RequestHandler {
  const deprecation = `@${since.getTime() / 1000}`
  const link = `<${DEPRECATION_GUIDE}>; rel="deprecation"; type="text/html"`
  return (_req, res, next) => {
    res.setHeader('Deprecation', deprecation)
    res.setHeader('Sunset', sunset.toUTCString())
    res.setHeader('Link', link)
    next()
  }
}

/** The old place of a path: 308 to the new one, so that method and body are sent again. */
export function redirectMoved({ to }: MovedPath): RequestHandler {
  return (req, res) => {
    const query = req.url.indexOf('?')
    res.statusCode = 308
    res.setHeader('Location', query === -1 ? to : to + req.url.slice(query))
    res.setHeader('Cache-Control', 'no-store')
    setLimitHeaders(res, req.call.limits)
    res.end()
  }
}
