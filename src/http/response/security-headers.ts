import type { RequestHandler } from 'express'

/**
 * The headers for browsers in every response of the API: no sniffing of the media type, no framing,
 * no loading. The docs set a policy of their own.
 */
export const securityHeaders: RequestHandler = (_req, res, next) => {
  res.setHeader('X-Content-Type-Options', 'nosniff')
  res.setHeader('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'")
  res.setHeader('Referrer-Policy', 'no-referrer')
  next()
}
