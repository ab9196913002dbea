import type { Request, RequestHandler } from 'express'
import type { ContractDocument } from '../../contract/document.ts'
import { callerHeaders, serverHeaders } from '../../contract/header-names.ts'

const PREFLIGHT_SECONDS = 600
const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE'

type Headers = readonly (readonly [name: string, value: string])[]

/**
 * CORS for exactly the configured origins: their pages may send and read every header of the
 * contract. Preflights are answered here, before anything is counted or looked up.
 */
export function crossOrigin(
  origins: readonly string[],
  document: ContractDocument,
): RequestHandler[] {
  if (origins.length === 0) return []
  const headersOf = originHeaders(origins, document)
  const preflight: Headers = [
    ['Access-Control-Allow-Methods', METHODS],
    ['Access-Control-Allow-Headers', callerHeaders(document).join(', ')],
    ['Access-Control-Max-Age', String(PREFLIGHT_SECONDS)],
  ]
  const isKnown = new Set(origins)
  const step: RequestHandler = (req, res, next) => {
    const { origin } = req.headers
    for (const [name, value] of headersOf(origin)) res.setHeader(name, value)
    if (!isPreflight(req)) {
      next()
      return
    }
    const admitted = origin !== undefined && isKnown.has(origin)
    for (const [name, value] of admitted ? preflight : []) res.setHeader(name, value)
    res.statusCode = 204
    res.end()
  }
  return [step]
}

/**
 * The headers for the page of an origin. Every response has `Vary`, so that no cache gives one page
 * the response for another.
 */
export function originHeaders(
  origins: readonly string[],
  document: ContractDocument,
): (origin: string | undefined) => Headers {
  const vary: Headers = [['Vary', 'Origin']]
  const exposed = serverHeaders(document).join(', ')
  const known = new Map<string | undefined, Headers>(
    origins.map((origin) => [
      origin,
      [
        ...vary,
        ['Access-Control-Allow-Origin', origin],
        ['Access-Control-Expose-Headers', exposed],
      ],
    ]),
  )
  return (origin) => known.get(origin) ?? vary
}

/** Any other OPTIONS is left to the route of its path. */
function isPreflight({ method, headers }: Request): boolean {
  if (method !== 'OPTIONS' || headers.origin === undefined) return false
  return headers['access-control-request-method'] !== undefined
}
