import type { ErrorRequestHandler, RequestHandler } from 'express'
import type { LimitPolicy } from '../../contract/extensions.ts'
import type { Policy } from '../../contract/policy.ts'
import type { Charge, Limits } from '../../domain/limits/limits.ts'
import { addressSubject } from '../../domain/limits/limit-subjects.ts'
import { Problem } from '../../domain/problem.ts'
import type { CallState } from './call-state.ts'
import { chargeCall } from './charges.ts'
import { keyOf } from './idempotency.ts'

/**
 * Interprets x-rate-limit: counts the call against each policy that its operation names. The
 * policies that count failures are left to the operation: only it knows what failed.
 */
export function rateLimit(policy: Policy, limits: Limits): RequestHandler {
  const policies = policy.rateLimit
    .map((name) => limits.quotaOf(name))
    .filter(({ counts }) => counts === 'calls')
  return async (req, _res, next) => {
    const charges = policies.map((limit) => chargeFor(limit, req.call))
    const refusal = charges.length > 0 ? await chargeCall(req.call, limits, charges) : undefined
    if (refusal) {
      // A repetition is free, so a call with a key is refused only once it is known to be a new one.
      if (keyOf(policy, req.headers) === undefined) throw refusal
      req.call.refusal = refusal
    }
    next()
  }
}

/**
 * An exceeded limit goes before any other mistake in the call; with a key it is only known later. A
 * call in progress was counted before, and if the key cannot be looked up, the call may have been.
 */
export const refuseExceededFirst: ErrorRequestHandler = (error: unknown, req, _res, next) => {
  const isRefusal = error instanceof Problem && error.kind.status < 500
  const isInProgress = isRefusal && error.code === 'idempotency-in-progress'
  next(isRefusal && !isInProgress ? (req.call.refusal ?? error) : error)
}

/** Whether the operation checks a secret, which an attacker may guess. */
export function countsFailures(policy: Policy, limits: Limits): boolean {
  return policy.rateLimit.some((name) => limits.quotaOf(name).counts === 'failures')
}

function chargeFor(limit: LimitPolicy, call: CallState): Charge {
  const subject =
    limit.per === 'principal' && call.principal ? call.principal.id : addressSubject(call.address)
  return { policy: limit.name, subject }
}
