import type { Request, RequestHandler, Response } from 'express'
import type { Policy } from '../../contract/policy.ts'
import type { Idempotency } from '../../domain/calls/idempotency.ts'
import type { Limits } from '../../domain/limits/limits.ts'
import { invalidRequest } from '../../domain/problem.ts'
import type { KeptAnswer } from '../../store/store.ts'
import type { CallState } from './call-state.ts'
import { setLimitHeaders } from '../response/limit-headers.ts'
import { setVersion } from '../response/versioned.ts'

/** The name that the caller has given the call, if the operation honours it. */
export function keyOf(policy: Policy, headers: Record<string, unknown>): string | undefined {
  const key = headers['idempotency-key']
  return policy.idempotent && typeof key === 'string' ? key : undefined
}

/**
 * Interprets x-idempotent: a call that was made before is answered as before, at no charge, even
 * where its limits are spent; one that is new goes on with a claim on its key.
 */
export function honourKey(
  policy: Policy,
  { idempotency, limits }: { idempotency: Idempotency; limits: Limits },
): RequestHandler {
  const attaches = policy.replies.get(200) === 'text/event-stream'
  return async (req, res, next) => {
    const { call } = req
    const key = keyOf(policy, req.headers)
    if (key === undefined || !call.principal) {
      next()
      return
    }
    refuseTwoKeys(req)
    const named = {
      caller: call.principal,
      operationId: policy.operationId,
      key,
      body: req.body as unknown,
    }
    const refusal = call.refusal
    const turn = await idempotency.begin(named, { attaches, ...(refusal && { refusal }) })
    if (turn.kind !== 'run' || turn.isRepeat) await limits.refund(call)
    if (turn.kind === 'replay') {
      replay(res, call, turn.answer)
      return
    }
    if (turn.kind === 'attach') call.attachTo = turn.to
    else {
      call.claim = turn.claim
      call.thingId = turn.claim.thingId
    }
    next()
  }
}

/** Node would join them to one key that nobody has chosen. */
function refuseTwoKeys({ headersDistinct: all }: Request): void {
  if ((all['idempotency-key']?.length ?? 0) < 2) return
  const detail = 'must not be repeated'
  throw invalidRequest({ in: 'header', pointer: 'Idempotency-Key', code: 'format', detail })
}

function replay(res: Response, call: CallState, { status, headers, body }: KeptAnswer): void {
  res.statusCode = status
  res.setHeader('Idempotency-Replayed', 'true')
  res.setHeader('Cache-Control', 'no-store')
  setLimitHeaders(res, call.limits)
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value)
  if (headers['ETag'] !== undefined) setVersion(res, headers['ETag'], 'no-store')
  if (body === '') res.end()
  else res.json(JSON.parse(body))
}
