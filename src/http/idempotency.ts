import type { RequestHandler, Response } from 'express'
import type { Policy } from '../contract/policies.ts'
import type { Idempotency } from '../domain/idempotency.ts'
import type { Limits } from '../domain/limits.ts'
import type { KeptAnswer } from '../store/store.ts'
import type { CallState } from './call-state.ts'
import { setLimitHeaders } from './limit-headers.ts'

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
    const named = {
      caller: call.principal,
      operationId: policy.operationId,
      key,
      body: req.body as unknown,
    }
    const refusal = call.refusal
    const turn = await idempotency.begin(named, { attaches, ...(refusal && { refusal }) })
    if (turn.kind === 'run') {
      call.claim = turn.claim
      call.thingId = turn.claim.thingId
      next()
      return
    }
    await limits.refund(call)
    res.setHeader('Idempotency-Replayed', 'true')
    if (turn.kind === 'replay') replay(res, call, turn.answer)
    else {
      call.attachTo = turn.to
      next()
    }
  }
}

function replay(res: Response, call: CallState, { status, headers, body }: KeptAnswer): void {
  res.statusCode = status
  res.setHeader('Cache-Control', 'no-store')
  setLimitHeaders(res, call.limits)
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value)
  res.json(JSON.parse(body))
}
