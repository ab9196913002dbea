import type { Response } from 'express'

/**
 * Sets the version of a response, and keeps proxies from encoding it: that weakens the ETag (nginx,
 * HAProxy, Cloudflare) or drops it (Envoy), and `If-Match` needs a strong one. Most proxies honour
 * `no-transform`; nginx honours only a Content-Encoding that is already there.
 */
export function setVersion(res: Response, etag: string, caching: string): void {
  res.setHeader('ETag', etag)
  res.setHeader('Cache-Control', `${caching}, no-transform`)
  // A 304 has no body, and so no encoding.
  if (res.statusCode !== 304) res.setHeader('Content-Encoding', 'identity')
}
