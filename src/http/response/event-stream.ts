import type { Request, Response } from 'express'
import { EVENT_STREAM_TYPE } from '../../contract/media-types.ts'
import type { ResponseCheck } from '../../contract/responses/response-check.ts'
import type { Frame } from '../../contract/types.ts'
import { jsonLine } from '../../lib/json-line.ts'
import type { Clock } from '../../ports/clock/clock.ts'
import type { Meter } from '../../ports/observability/meter.ts'
import type { EventLoop } from '../../ports/clock/event-loop.ts'
import { messageErrorView } from '../../views/problem.ts'
import { createPace } from '../connection/pace.ts'
import { drained } from '../connection/slow-reader.ts'
import type { ContractViolations } from './contract-violations.ts'
import { problemOf } from './error-mapping.ts'
import { setLimitHeaders } from './limit-headers.ts'

/** How often a comment keeps an idle connection open (CONTRACT: streams). */
const KEEP_ALIVE_MS = 15_000
/**
 * One line, without an empty line after it: after an id, an empty line makes the Python SDKs of the
 * large vendors emit an event without data, which is not JSON.
 */
const KEEP_ALIVE = ': keepalive\n'

type AnyFrame = Frame<{ type: string }>

export type EventStreamTools = {
  clock: Clock
  eventLoop: EventLoop
  meter: Pick<Meter, 'firstFrame'>
  check: ResponseCheck
  violations: ContractViolations
}

/**
 * Sends `text/event-stream`, until the frames end or the reader is gone; the source of the frames is
 * then told to stop. An event that breaks the contract is replaced by the end of the stream.
 */
export async function sendEventStream(
  req: Request,
  res: Response,
  frames: AsyncIterable<AnyFrame>,
  tools: EventStreamTools,
): Promise<void> {
  res.statusCode = 200
  res.setHeader('Content-Type', EVENT_STREAM_TYPE)
  res.setHeader('Cache-Control', 'no-store, no-transform')
  res.setHeader('X-Accel-Buffering', 'no')
  setLimitHeaders(res, req.call.limits)
  if (req.method === 'HEAD') {
    res.end()
    return
  }
  // A proxy or a client may wait for the first bytes before it shows anything.
  res.flushHeaders()
  const stopKeepAlive = tools.clock.every(KEEP_ALIVE_MS, () => {
    if (!res.writableNeedDrain) res.write(KEEP_ALIVE)
  })
  try {
    await writeFrames(req, res, frames, tools)
  } finally {
    stopKeepAlive()
    res.end()
  }
}

async function writeFrames(
  req: Request,
  res: Response,
  frames: AsyncIterable<AnyFrame>,
  tools: EventStreamTools,
): Promise<void> {
  const operationId = req.call.policy!.operationId
  const pace = createPace(tools.eventLoop)
  let lastId = ''
  try {
    for await (const { id, event } of frames) {
      const violation = tools.check.item(operationId, event)
      if (violation !== undefined) {
        res.write(serialize({ id, event: tools.violations.replaceEvent(req, violation) }))
        return
      }
      if (res.destroyed) return
      if (lastId === '') measureFirstFrame(req, tools)
      lastId = id
      const text = serialize({ id, event })
      if (!res.write(text)) await drained(res)
      await pace(text.length)
    }
  } catch (error) {
    // The reader gets an ordinary end of the stream; the log gets the error.
    res.write(serialize({ id: lastId, event: messageErrorView(problemOf(error), req.call) }))
    throw error
  }
}

function measureFirstFrame({ call }: Request, { meter, clock }: EventStreamTools): void {
  meter.firstFrame(call.policy?.operationId, (clock.monotonicMs() - call.startedAtMs) / 1000)
}

/**
 * No text can break a line, and no line a frame. An empty id would make a reader forget the last one.
 */
function serialize({ id, event }: AnyFrame): string {
  return `event: ${event.type}\n${id === '' ? '' : `id: ${id}\n`}data: ${jsonLine(event)}\n\n`
}
