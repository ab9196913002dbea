import type { Request, RequestHandler, Response } from 'express'
import { EVENT_STREAM_TYPE } from '../../contract/media-types.ts'
import type { Policy } from '../../contract/policy.ts'
import type { Idempotency } from '../../domain/calls/idempotency.ts'
import type { Limits } from '../../domain/limits/limits.ts'
import { invalidRequest } from '../../domain/problem.ts'
import type { KeptReply } from '../../store/store.ts'
import { setLimitHeaders } from '../response/limit-headers.ts'
import { setVersion } from '../response/versioned.ts'
import type { CallState } from './call-state.ts'
import { refundCall } from './charges.ts'

/** The `Idempotency-Key` of the call, if the operation honours it. */
export function keyOf(policy: Policy, headers: Record<string, unknown>): string | undefined {
  const key = headers['idempotency-key']
  return policy.idempotent && typeof key === 'string' ? key : undefined
}

/**
 * Interprets x-idempotent: the repetition of a call gets the same reply, free of charge, even where
 * its limits are exceeded; a new call goes on with a claim on its key.
 */
export function honourKey(
  policy: Policy,
  { idempotency, limits }: { idempotency: Idempotency; limits: Limits },
): RequestHandler {
  const { operationId } = policy
  const joinsStreams = policy.replies.get(200) === EVENT_STREAM_TYPE
  return async (req, res, next) => {
    const { call } = req
    const { principal: caller, refusal } = call
    const key = keyOf(policy, req.headers)
    if (key === undefined || !caller) {
      next()
      return
    }
    refuseTwoKeys(req)
    const keyed = { caller, operationId, key, body: req.body as unknown }
    const outcome = await idempotency.claim(keyed, { joinsStreams, ...(refusal && { refusal }) })
    if (outcome.kind !== 'run' || outcome.isRetry) await refundCall(call, limits)
    if (outcome.kind === 'replay') {
      replay(res, call, outcome.reply)
      return
    }
    if (outcome.kind === 'join') call.joins = outcome.generation
    else {
      call.claim = outcome.claim
      call.resourceId = outcome.claim.resourceId
    }
    next()
  }
}

/** Node would join two keys into one that the client has not chosen. */
function refuseTwoKeys({ headersDistinct: all }: Request): void {
  if ((all['idempotency-key']?.length ?? 0) < 2) return
  const detail = 'must not be repeated'
  throw invalidRequest({ in: 'header', pointer: 'Idempotency-Key', code: 'format', detail })
}

function replay(res: Response, call: CallState, { status, headers, body }: KeptReply): void {
  res.statusCode = status
  res.setHeader('Idempotency-Replayed', 'true')
  res.setHeader('Cache-Control', 'no-store')
  setLimitHeaders(res, call.limits)
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value)
  if (headers['ETag'] !== undefined) setVersion(res, headers['ETag'], 'no-store')
  if (body === '') res.end()
  else res.json(JSON.parse(body))
}
