import type { Request } from 'express'

const SLASH = 47
/** RFC 9112 3.2.2: every server must accept it. The part after the host is the target here. */
const ABSOLUTE_FORM = /^https?:\/\/[^/?#]+(.*)$/i

/**
 * Rewrites the target of a request to path and query, whatever form it came in. A form that is not
 * served becomes a path that does not exist: Express would look for a path in it on its own terms,
 * drop what follows `#`, and turn `\` into `/`. The `*` of OPTIONS stays.
 */
export function settleTarget(req: Request): void {
  const { url } = req
  if (url.charCodeAt(0) === SLASH && !url.includes('#')) return
  req.url = originForm(url).replaceAll('#', '%23')
  req.originalUrl = req.url
}

function originForm(url: string): string {
  if (url.charCodeAt(0) === SLASH || url === '*') return url
  const rest = ABSOLUTE_FORM.exec(url)?.[1] ?? url
  return rest.startsWith('/') ? rest : `/${rest}`
}
