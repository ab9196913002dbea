import type { Request, Response } from 'express'
import type { FrameCheck } from '../../contract/frames.ts'
import { jsonLine } from '../../lib/json-line.ts'
import type { EventLoop } from '../../ports/clock/event-loop.ts'
import { setLimitHeaders } from './limit-headers.ts'
import { createPace } from '../connection/pace.ts'
import { drained } from '../connection/slow-reader.ts'

export type JsonLinesTools = {
  eventLoop: EventLoop
  checkLine: FrameCheck
  onInvalidFrame: (req: Request, violation: string) => void
}

/**
 * Answers `application/x-ndjson`: one JSON record a line, each held against the contract before it
 * is written. Whatever breaks it off cuts the connection, so that nobody takes a part for the whole.
 */
export async function answerJsonLines(
  req: Request,
  res: Response,
  lines: AsyncIterable<{ type: string }>,
  { eventLoop, checkLine, onInvalidFrame }: JsonLinesTools,
): Promise<void> {
  res.statusCode = 200
  res.setHeader('Content-Type', 'application/x-ndjson')
  res.setHeader('Cache-Control', 'no-store')
  setLimitHeaders(res, req.call.limits)
  if (req.method === 'HEAD') {
    res.end()
    return
  }
  const pace = createPace(eventLoop)
  for await (const line of lines) {
    const violation = checkLine(line)
    if (violation !== undefined) {
      onInvalidFrame(req, violation)
      res.destroy()
      return
    }
    const text = `${jsonLine(line)}\n`
    if (!res.write(text)) await drained(res)
    await pace(text.length)
    if (res.destroyed) return
  }
  res.end()
}
