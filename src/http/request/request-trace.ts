import type { Request, RequestHandler, Response } from 'express'
import type { RequestFacts, Tracer } from '../../ports/observability/tracer.ts'

/** Traces every request; its log line names the trace. */
export function traceRequests(tracer: Tracer): RequestHandler {
  return (req, res, next) => {
    const request = tracer.request(req.headers)
    req.call.traceId = request.traceId
    res.once('close', () => {
      request.end(factsOf(req, res))
    })
    request.within(next)
  }
}

function factsOf(req: Request, res: Response): RequestFacts {
  const { policy, problemCode, requestId } = req.call
  return {
    method: req.method,
    ...(policy && { route: policy.path, operationId: policy.operationId }),
    ...(res.headersSent && { status: res.statusCode }),
    ...(problemCode && { problem: problemCode }),
    caller: callerOf(req),
    requestId,
    hungUp: !res.writableFinished,
  }
}

function callerOf({ call: { principal } }: Request): string {
  if (!principal) return 'anonymous'
  return principal.apiKeyId === undefined ? principal.role : `${principal.role} by key`
}
