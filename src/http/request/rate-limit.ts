import type { ErrorRequestHandler, RequestHandler } from 'express'
import type { Policy } from '../../contract/policy.ts'
import type { LimitPolicy } from '../../contract/extensions.ts'
import type { Charge, Limits } from '../../domain/limits/limits.ts'
import { addressSubject } from '../../domain/limits/limit-subjects.ts'
import { Problem } from '../../domain/problem.ts'
import type { CallState } from './call-state.ts'
import { keyOf } from './idempotency.ts'

/** The limit that counts whoever shows no valid credential. */
const ANONYMOUS = 'anonymous'

/**
 * Interprets x-rate-limit: counts the call against each policy that its operation names. Those
 * that count failures are the operation's own business: it alone knows what failed.
 */
export function rateLimit(policy: Policy, limits: Limits): RequestHandler {
  const policies = policy.rateLimit
    .map((name) => limits.quotaOf(name))
    .filter(({ counts }) => counts === 'calls')
  return async (req, _res, next) => {
    const charges = policies.map((limit) => chargeFor(limit, req.call))
    try {
      if (charges.length > 0) await limits.charge(req.call, charges)
    } catch (error) {
      // A repeated call costs nothing, so it must not be refused before it is known for one.
      if (!(error instanceof Problem) || keyOf(policy, req.headers) === undefined) throw error
      req.call.refusal = error
    }
    next()
  }
}

/**
 * A spent limit is said before whatever else is wrong with a call: with a key it is only known later.
 * A call that is under way has been counted, and one that cannot be looked for may have been.
 */
export const refuseSpentFirst: ErrorRequestHandler = (error: unknown, req, _res, next) => {
  const isRefusal = error instanceof Problem && error.kind.status < 500
  const isUnderWay = isRefusal && error.code === 'idempotency-in-progress'
  next(isRefusal && !isUnderWay ? (req.call.refusal ?? error) : error)
}

/** Whether the operation checks a secret that somebody may guess. */
export function countsFailures(policy: Policy, limits: Limits): boolean {
  return policy.rateLimit.some((name) => limits.quotaOf(name).counts === 'failures')
}

/** Counts a call that has no operation, or whose credential was refused, by its address. */
export async function chargeAnonymous(call: CallState, limits: Limits): Promise<void> {
  if (call.limits.length > 0) return
  await limits.charge(call, [{ policy: ANONYMOUS, subject: addressSubject(call.address) }])
}

function chargeFor(limit: LimitPolicy, call: CallState): Charge {
  const subject =
    limit.per === 'principal' && call.principal ? call.principal.id : addressSubject(call.address)
  return { policy: limit.name, subject }
}
