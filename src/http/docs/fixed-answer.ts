import { createHash } from 'node:crypto'
import type { RequestHandler, Response } from 'express'
import { matchesVersion } from '../request/preconditions.ts'

/** Bytes that never change while the process lives, with the validator that stands for them. */
export type FixedAnswer = { bytes: Buffer; type: string; etag: string }

/** Names do not change with their content, so every use asks whether it has. */
const ASK_AGAIN = 'public, no-cache'

/** An answer of these bytes; its ETag is strong, made of a SHA-256 of them. */
export function fixedAnswer(content: string | Buffer, type: string): FixedAnswer {
  const bytes = Buffer.from(content)
  const hash = createHash('sha256').update(bytes).digest('base64url')
  return { bytes, type, etag: `"${hash.slice(0, 32)}"` }
}

/** Always answers the same, or 304 to who has it already. */
export function answerAlways(answer: FixedAnswer): RequestHandler {
  return (req, res) => {
    sendFixed(res, answer, req.headers['if-none-match'])
  }
}

/** Answers GET and HEAD; Node leaves the body out of the latter. */
export function sendFixed(res: Response, answer: FixedAnswer, ifNoneMatch?: string): void {
  res.setHeader('ETag', answer.etag)
  res.setHeader('Cache-Control', ASK_AGAIN)
  if (matchesVersion(ifNoneMatch, answer.etag)) {
    res.statusCode = 304
    res.end()
    return
  }
  res.setHeader('Content-Type', answer.type)
  res.setHeader('Content-Length', answer.bytes.length)
  res.end(answer.bytes)
}
