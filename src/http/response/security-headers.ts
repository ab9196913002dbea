import type { RequestHandler } from 'express'

/**
 * What every answer of the API says to browsers: take it for what it says it is, show it nowhere,
 * load nothing for it. The docs set their own policy.
 */
export const securityHeaders: RequestHandler = (_req, res, next) => {
  res.setHeader('X-Content-Type-Options', 'nosniff')
  res.setHeader('Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'")
  res.setHeader('Referrer-Policy', 'no-referrer')
  next()
}
