import type { Request, Response } from 'express'
import type { MessageErrorEvent } from '../../../generated/api.ts'
import type { FrameCheck } from '../../contract/frames.ts'
import type { Frame } from '../../contract/types.ts'
import { Problem } from '../../domain/problem.ts'
import { jsonLine } from '../../lib/json-line.ts'
import type { Clock } from '../../ports/clock/clock.ts'
import type { Meter } from '../../ports/observability/meter.ts'
import type { EventLoop } from '../../ports/clock/event-loop.ts'
import { problemView } from '../../views/problem.ts'
import { setLimitHeaders } from './limit-headers.ts'
import { createPace } from '../connection/pace.ts'
import { problemOf } from './problems.ts'
import { drained } from '../connection/slow-reader.ts'

/** How often a comment keeps an idle connection open (CONTRACT: streams). */
const KEEP_ALIVE_MS = 15_000
/**
 * A comment is a line and not a block: behind an id, an empty line of its own makes the readers of the
 * large vendors' Python SDKs give out an event without data, which is then no JSON.
 */
const KEEP_ALIVE = ': keepalive\n'

export type EventStreamTools = {
  clock: Clock
  eventLoop: EventLoop
  meter: Pick<Meter, 'firstFrame'>
  checkFrame: FrameCheck
  onInvalidFrame: (req: Request, violation: string) => void
}

/**
 * Answers `text/event-stream`. Every event is held against the contract before it is written; one
 * that breaks it is replaced by the end of the stream.
 * Ends when the frames do, or when the reader is gone; the frames' source is then told to stop.
 */
export async function answerEventStream(
  req: Request,
  res: Response,
  frames: AsyncIterable<Frame<{ type: string }>>,
  tools: EventStreamTools,
): Promise<void> {
  res.statusCode = 200
  res.setHeader('Content-Type', 'text/event-stream')
  res.setHeader('Cache-Control', 'no-store, no-transform')
  res.setHeader('X-Accel-Buffering', 'no')
  setLimitHeaders(res, req.call.limits)
  // A proxy or a client may wait for the first bytes before it shows anything.
  if (req.method === 'HEAD') {
    res.end()
    return
  }
  res.flushHeaders()
  const stopKeepAlive = tools.clock.every(KEEP_ALIVE_MS, () => {
    if (!res.writableNeedDrain) res.write(KEEP_ALIVE)
  })
  const pace = createPace(tools.eventLoop)
  let lastId = ''
  try {
    for await (const frame of frames) {
      const violation = tools.checkFrame(frame.event)
      if (violation !== undefined) {
        tools.onInvalidFrame(req, violation)
        res.write(serialize({ id: frame.id, event: brokenOff(req, new Problem('internal')) }))
        return
      }
      if (res.destroyed) return
      if (lastId === '') noteFirstFrame(req, tools)
      lastId = frame.id
      const text = serialize(frame)
      if (!res.write(text)) await drained(res)
      await pace(text.length)
    }
  } catch (error) {
    // The reader hears of it like of any other end; the log hears what it was.
    res.write(serialize({ id: lastId, event: brokenOff(req, problemOf(error)) }))
    throw error
  } finally {
    stopKeepAlive()
    res.end()
  }
}

function noteFirstFrame({ call }: Request, { meter, clock }: EventStreamTools): void {
  meter.firstFrame(call.policy?.operationId, (clock.monotonicMs() - call.startedAtMs) / 1000)
}

/** What ends a stream that cannot go on. */
function brokenOff(req: Request, problem: Problem): MessageErrorEvent {
  return { type: 'message.error', problem: problemView(problem, req.call) }
}

/**
 * No text can make a line, and no line a frame. An empty id would make a reader forget the last.
 */
function serialize({ id, event }: Frame<{ type: string }>): string {
  return `event: ${event.type}\n${id === '' ? '' : `id: ${id}\n`}data: ${jsonLine(event)}\n\n`
}
