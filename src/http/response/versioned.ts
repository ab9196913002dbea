import type { Response } from 'express'

/**
 * Keeps what is between here and the client from encoding the answer: that weakens its ETag (nginx,
 * HAProxy, Cloudflare) or drops it (Envoy), and `If-Match` takes a strong one alone. Most heed
 * `no-transform`; nginx heeds nothing but a Content-Encoding that is there already.
 */
export function setVersion(res: Response, etag: string, caching: string): void {
  res.setHeader('ETag', etag)
  res.setHeader('Cache-Control', `${caching}, no-transform`)
  // A 304 has no body whose encoding could be told.
  if (res.statusCode !== 304) res.setHeader('Content-Encoding', 'identity')
}
