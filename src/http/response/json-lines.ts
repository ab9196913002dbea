import type { Request, Response } from 'express'
import { JSON_LINES_TYPE } from '../../contract/media-types.ts'
import type { ResponseCheck } from '../../contract/responses/response-check.ts'
import { jsonLine } from '../../lib/json-line.ts'
import type { EventLoop } from '../../ports/clock/event-loop.ts'
import { createPace } from '../connection/pace.ts'
import { drained } from '../connection/slow-reader.ts'
import type { ContractViolations } from './contract-violations.ts'
import { setLimitHeaders } from './limit-headers.ts'

export type JsonLinesTools = {
  eventLoop: EventLoop
  check: ResponseCheck
  violations: ContractViolations
}

/**
 * Sends `application/x-ndjson`, one JSON record on each line. A record that breaks the contract, like
 * any failure, cuts the connection, so that a part does not pass for the whole.
 */
export async function sendJsonLines(
  req: Request,
  res: Response,
  lines: AsyncIterable<{ type: string }>,
  { eventLoop, check, violations }: JsonLinesTools,
): Promise<void> {
  res.statusCode = 200
  res.setHeader('Content-Type', JSON_LINES_TYPE)
  res.setHeader('Cache-Control', 'no-store')
  setLimitHeaders(res, req.call.limits)
  if (req.method === 'HEAD') {
    res.end()
    return
  }
  const operationId = req.call.policy!.operationId
  const pace = createPace(eventLoop)
  for await (const line of lines) {
    const violation = check.item(operationId, line)
    if (violation !== undefined) {
      violations.cutExport(req, res, violation)
      return
    }
    const text = `${jsonLine(line)}\n`
    if (!res.write(text)) await drained(res)
    await pace(text.length)
    if (res.destroyed) return
  }
  res.end()
}
