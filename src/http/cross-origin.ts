import cors from 'cors'
import type { RequestHandler } from 'express'
import type { ContractDocument } from '../contract/document.ts'
import { callerHeaders, serverHeaders } from '../contract/header-names.ts'

const PREFLIGHT_SECONDS = 600

/**
 * CORS for exactly the configured origins: a page there may send and read every header of the
 * contract. Preflights are answered here, before validation.
 */
export function crossOrigin(
  origins: readonly string[],
  document: ContractDocument,
): RequestHandler[] {
  if (origins.length === 0) return []
  const options = {
    origin: [...origins],
    exposedHeaders: serverHeaders(document),
    allowedHeaders: callerHeaders(document),
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    maxAge: PREFLIGHT_SECONDS,
  }
  return [cors(options)]
}
