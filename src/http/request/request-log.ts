import type { Request, RequestHandler, Response } from 'express'
import type { Clock } from '../../ports/clock/clock.ts'
import type { Ids } from '../../ports/ids.ts'
import type { Log } from '../../ports/observability/log.ts'
import { settleTarget } from '../connection/request-target.ts'
import { ReceivedCall } from './received-call.ts'

/** A client's own id is kept, unless it is a secret of Parley that was sent in the wrong header. */
const CLIENT_REQUEST_ID = /^(?!parley_)[A-Za-z0-9._-]{1,128}$/

/** Gives every request its id and its `call`, and logs one line when the response has ended. */
export function logRequests(deps: { log: Log; clock: Clock; ids: Ids }): RequestHandler {
  const { log, clock, ids } = deps
  return (req, res, next) => {
    settleTarget(req)
    const own = req.headers['x-request-id']
    const isUsable = typeof own === 'string' && CLIENT_REQUEST_ID.test(own)
    const requestId = isUsable ? own : ids.requestId()
    const call = new ReceivedCall(req, res, { requestId, startedAtMs: clock.monotonicMs() })
    req.call = call
    res.setHeader('X-Request-Id', requestId)
    res.once('close', () => {
      call.noteEnd()
      writeLine(log, clock, req, res)
    })
    next()
  }
}

function writeLine(log: Log, clock: Clock, req: Request, res: Response): void {
  const { requestId, traceId, policy, principal, address, startedAtMs, problemCode } = req.call
  const line = {
    requestId,
    traceId,
    operationId: policy?.operationId,
    method: req.method,
    status: res.statusCode,
    durationMs: Math.round((clock.monotonicMs() - startedAtMs) * 100) / 100,
    address,
    principalId: principal?.id,
    problem: problemCode,
    hungUp: res.writableFinished ? undefined : true,
  }
  if (res.statusCode >= 500) log.error(line, 'request')
  else log.info(line, 'request')
}
