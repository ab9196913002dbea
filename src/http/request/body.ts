import type { IncomingMessage } from 'node:http'
import type { Request, RequestHandler, Response } from 'express'
import { createDeferred } from '../../lib/deferred.ts'
import { invalidRequest, Problem } from '../../domain/problem.ts'
import type { Clock } from '../../ports/clock/clock.ts'
import { parseBody } from './json-body.ts'

/** 256 kB. */
export const LONGEST_BODY = 262_144

/** The time for a whole request after its headers (CONTRACT: limits). */
const BODY_TIMEOUT_MS = 30_000

/**
 * Reads the body: at most 256 kB of JSON. A missing body ends here: the validator lets it pass where
 * every property is optional.
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

/** Whether a body follows the headers. */
export function announcesBody(req: IncomingMessage): boolean {
  const length = req.headers['content-length']
  return req.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0')
}

/** @throws {Problem} request-timeout, payload-too-large, invalid-request, malformed-json */
async function readInTime(req: Request, res: Response, clock: Clock): Promise<Buffer> {
  if (Number(req.headers['content-length']) > LONGEST_BODY) throw tooLarge()
  if (req.broken) throw cutShort()
  // From here on, nothing refuses the call whatever its body is.
  if (req.awaitsContinue) res.writeContinue()
  const late = createDeferred<never>()
  const stop = clock.every(BODY_TIMEOUT_MS, () => {
    late.reject(new Problem('request-timeout'))
  })
  try {
    return await Promise.race([readBytes(req), late.promise])
  } finally {
    stop()
  }
}

function readBytes(req: Request): Promise<Buffer> {
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

function tooLarge(): Problem {
  return new Problem('payload-too-large', { detail: `The limit is ${LONGEST_BODY} bytes.` })
}

function cutShort(): Problem {
  return new Problem('invalid-request', { detail: 'The body is incomplete.' })
}
