import type { Request, Response } from 'express'
import { matchesVersion } from '../request/preconditions.ts'
import type { AnyReply } from './any-operation.ts'
import { setLimitHeaders } from './limit-headers.ts'
import { setVersion } from './versioned.ts'

/** Sends a reply with a JSON body or without a body; 304 if the client has this version already. */
export function sendJson(
  req: Request,
  res: Response,
  { status, headers: given = {}, body }: Pick<AnyReply, 'status' | 'headers' | 'body'>,
): void {
  const { ETag: etag, ...headers } = given
  const revalidates = etag !== undefined && (req.method === 'GET' || req.method === 'HEAD')
  const isKnown = revalidates && matchesVersion(req.headers['if-none-match'], String(etag))
  res.statusCode = isKnown ? 304 : status
  setLimitHeaders(res, req.call.limits)
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value)
  if (etag === undefined) res.setHeader('Cache-Control', 'no-store')
  else setVersion(res, String(etag), revalidates ? 'private, no-cache' : 'no-store')
  if (isKnown || body === undefined) res.end()
  else res.json(body)
}
