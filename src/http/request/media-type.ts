import type { IncomingMessage } from 'node:http'
import type { RequestHandler } from 'express'
import { JSON_TYPE } from '../../contract/media-types.ts'
import { announcesBody } from './body.ts'

/** `application/json`, with or without the one charset that JSON has (RFC 8259 8.1). */
const ACCEPTED_TYPE = /^application\/json *(; *charset *= *"?utf-8"? *)?$/i

const CONTENT_TYPE = 'content-type'

/**
 * Leaves a request one of two media types: exactly `application/json`, or none. The validator caches
 * compiled schemas under the client's full Content-Type, so that `application/json; x=1`, `x=2` and
 * so on would each fill its memory. It must run before any stage of the validator.
 */
export function settleMediaType(hasBody: boolean): RequestHandler {
  return (req, _res, next) => {
    const type = req.headers['content-type']
    delete req.headers['content-type']
    if (hasBody) {
      if (isAccepted(type, req)) req.headers['content-type'] = JSON_TYPE
      else if (type !== undefined || announcesBody(req)) req.call.bodyRefused = true
    }
    next()
  }
}

function isAccepted(type: string | undefined, req: IncomingMessage): boolean {
  if (type === undefined || !ACCEPTED_TYPE.test(type)) return false
  return isUncoded(req.headers['content-encoding']) && hasOneType(req.rawHeaders)
}

/** `identity` (RFC 9110 8.4.1) means that there is no coding. */
function isUncoded(coding: string | undefined): boolean {
  if (coding === undefined || coding === '') return true
  return coding.split(',').every((one) => one.trim().toLowerCase() === 'identity')
}

/** Node keeps the first of two types; a proxy may have read the second. */
function hasOneType(rawHeaders: readonly string[]): boolean {
  const isType = (text: string, at: number) =>
    at % 2 === 0 && text.length === CONTENT_TYPE.length && text.toLowerCase() === CONTENT_TYPE
  return rawHeaders.filter(isType).length < 2
}
