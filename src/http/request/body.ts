import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import type { Request, RequestHandler, Response } from 'express'
import { createDeferred } from '../../lib/deferred.ts'
import { invalidRequest, Problem } from '../../domain/problem.ts'
import type { Clock } from '../../ports/clock/clock.ts'
import { checkJson } from './json-shape.ts'

/** 256 kB. */
export const LONGEST_BODY = 262_144

/** A request arrives whole within so long of its headers (CONTRACT: limits). */
const BODY_TIMEOUT_MS = 30_000

/** `application/json`, with or without the one charset that JSON has (RFC 8259 8.1). */
const JSON_TYPE = /^application\/json *(; *charset *= *"?utf-8"? *)?$/i

const CONTENT_TYPE = 'content-type'

/**
 * Leaves a request one of two media types: exactly `application/json`, or none. The validator keeps
 * compiled schemas under the client's full Content-Type, so that `application/json; x=1`, `x=2` and
 * so on would each fill its memory. It must run before any stage of the validator.
 */
export function settleMediaType(hasBody: boolean): RequestHandler {
  return (req, _res, next) => {
    const type = req.headers['content-type']
    delete req.headers['content-type']
    if (hasBody) {
      const isPlain = isUncoded(req.headers['content-encoding']) && saysTypeOnce(req)
      if (type !== undefined && JSON_TYPE.test(type) && isPlain) {
        req.headers['content-type'] = 'application/json'
      } else if (type !== undefined || announcesBody(req)) {
        req.call.bodyRefused = true
      }
    }
    next()
  }
}

/** `identity` (RFC 9110 8.4.1) is the name of no coding at all. */
function isUncoded(coding: string | undefined): boolean {
  if (coding === undefined || coding === '') return true
  return coding.split(',').every((one) => one.trim().toLowerCase() === 'identity')
}

/** Node keeps the first of two types, and somebody on the way may have gone by the second. */
function saysTypeOnce({ rawHeaders }: Request): boolean {
  const isType = (text: string, at: number) =>
    at % 2 === 0 && text.length === CONTENT_TYPE.length && text.toLowerCase() === CONTENT_TYPE
  return rawHeaders.filter(isType).length < 2
}

/**
 * Reads the body: at most 256 kB of well-formed JSON in UTF-8, not too deep or wide, no key twice. The
 * validator lets a body that is missing pass where every property is optional, so it ends here.
 */
export function readBody(clock: Clock): RequestHandler {
  return async (req, res, next) => {
    if (req.call.bodyRefused) throw new Problem('unsupported-media-type')
    const bytes = announcesBody(req) ? await readInTime(req, res, clock) : undefined
    if (!bytes?.length) {
      throw invalidRequest({ in: 'body', pointer: '', code: 'required', detail: 'is missing' })
    }
    req.body = parseBody(bytes)
    next()
  }
}

/** Whether something follows the headers. */
export function announcesBody(req: IncomingMessage): boolean {
  const length = req.headers['content-length']
  return req.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0')
}

/** @throws {Problem} request-timeout */
async function readInTime(req: Request, res: Response, clock: Clock): Promise<Buffer> {
  const late = createDeferred<never>()
  const stop = clock.every(BODY_TIMEOUT_MS, () => {
    late.reject(new Problem('request-timeout'))
  })
  try {
    return await Promise.race([readBytes(req, res), late.promise])
  } finally {
    stop()
  }
}

function readBytes(req: Request, res: Response): Promise<Buffer> {
  const tooLarge = () =>
    new Problem('payload-too-large', { detail: `The limit is ${LONGEST_BODY} bytes.` })
  const cutShort = () => new Problem('invalid-request', { detail: 'The body is incomplete.' })
  if (Number(req.headers['content-length']) > LONGEST_BODY) return Promise.reject(tooLarge())
  if (req.broken) return Promise.reject(cutShort())
  // Only now is there nothing left that would refuse the call whatever its body is.
  if (req.awaitsContinue) res.writeContinue()
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    req.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length > LONGEST_BODY) {
        req.removeAllListeners('data').pause()
        reject(tooLarge())
        return
      }
      chunks.push(chunk)
    })
    req.once('end', () => {
      resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks))
    })
    req.once('broken', () => {
      reject(cutShort())
    })
    req.once('error', (cause) => {
      reject(new Problem('malformed-json', { detail: 'The body is incomplete.', cause }))
    })
  })
}

function parseBody(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw new Problem('malformed-json', { detail: 'The body is not UTF-8.' })
  const text = bytes.toString()
  const shape = checkJson(text)
  if (shape === 'too-deep') {
    throw new Problem('invalid-request', { detail: 'body: is nested more than 32 levels deep' })
  }
  if (shape === 'too-wide') {
    throw new Problem('invalid-request', { detail: 'body: contains more than 1,000 values' })
  }
  return readJson(text, shape.keys)
}

function readJson(text: string, keysWritten: number): unknown {
  const body = parseJson(text)
  const found = { keys: 0, badText: false }
  inspect(body, found)
  if (found.badText) {
    const detail = 'body: contains U+0000 or an unpaired surrogate'
    throw new Problem('invalid-request', { detail })
  }
  if (found.keys !== keysWritten) {
    throw new Problem('malformed-json', { detail: 'An object contains the same key twice.' })
  }
  return body
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's message quotes the body, which may hold a password.
    throw new Problem('malformed-json')
  }
}

function inspect(value: unknown, found: { keys: number; badText: boolean }): void {
  if (typeof value === 'string') {
    if (value.includes('\0') || !value.isWellFormed()) found.badText = true
    return
  }
  if (typeof value !== 'object' || value === null) return
  if (Array.isArray(value)) {
    for (const entry of value) inspect(entry, found)
    return
  }
  for (const [key, entry] of Object.entries(value)) {
    found.keys += 1
    inspect(key, found)
    inspect(entry, found)
  }
}
