import type { Request } from 'express'

const SLASH = 47
/** RFC 9112 3.2.2: what proxies are sent, and every server must take. What follows the host is ours. */
const ABSOLUTE_FORM = /^https?:\/\/[^/?#]+(.*)$/i

/**
 * Leaves a request its target as path and query, in whatever form it came. What is in no form that
 * we serve becomes a path that there is not: Express would look for a path in it on its own terms,
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
