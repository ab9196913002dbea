import cors from 'cors'
import type { RequestHandler } from 'express'

/** Every header of the contract that a page of another origin may want to read. */
const EXPOSED = [
  'Deprecation',
  'ETag',
  'Link',
  'Location',
  'RateLimit',
  'RateLimit-Policy',
  'Retry-After',
  'Sunset',
  'WWW-Authenticate',
  'X-Request-Id',
]
const ALLOWED = [
  'Authorization',
  'Content-Type',
  'If-Match',
  'If-None-Match',
  'Last-Event-ID',
  'X-Request-Id',
]
const PREFLIGHT_SECONDS = 600

/** CORS for exactly the configured origins; preflights are answered here, before validation. */
export function crossOrigin(origins: readonly string[]): RequestHandler[] {
  if (origins.length === 0) return []
  const options = {
    origin: [...origins],
    exposedHeaders: EXPOSED,
    allowedHeaders: ALLOWED,
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    maxAge: PREFLIGHT_SECONDS,
  }
  return [cors(options)]
}
