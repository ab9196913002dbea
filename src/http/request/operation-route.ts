import type { ErrorRequestHandler, RequestHandler } from 'express'
import type { Policy } from '../../contract/policy.ts'
import type { Idempotency } from '../../domain/calls/idempotency.ts'
import type { Limits } from '../../domain/limits/limits.ts'
import { Problem } from '../../domain/problem.ts'
import { authenticate, authenticateIfShown, authorize, type Credentials } from './authenticate.ts'
import { readBody, settleMediaType } from './body.ts'
import { type AnyOperation, dispatch, type DispatchTools } from '../response/dispatch.ts'
import { honourKey } from './idempotency.ts'
import { negotiate } from './negotiate.ts'
import { problemOf } from '../response/problems.ts'
import { chargeAnonymous, countsFailures, rateLimit, refuseSpentFirst } from './rate-limit.ts'
import type { OperationStages } from './validator.ts'

export type RouteTools = {
  stagesOf: (policy: Policy) => OperationStages
  credentials: Credentials
  limits: Limits
  idempotency: Idempotency
  answering: DispatchTools
  /** Delays whoever keeps failing to sign in. */
  slowDown: RequestHandler
}

/** One operation's journey, in order, from the match to the answer. */
export function operationRoute(
  policy: Policy,
  operation: AnyOperation,
  tools: RouteTools,
): (RequestHandler | ErrorRequestHandler)[] {
  const { guardReply, validateRequest } = tools.stagesOf(policy)
  return [
    ...(policy.audit.length > 0 ? [passHead] : []),
    begin(policy),
    settleMediaType(policy.hasBody),
    guardReply,
    ...(policy.auth === 'public' ? [] : [signedIn(policy, tools)]),
    rateLimit(policy, tools.limits),
    ...(policy.auth === 'public' ? [] : [authorize(policy)]),
    refuseOddAddress,
    negotiate(policy),
    ...(policy.hasBody ? [readBody(tools.answering.clock)] : []),
    validateRequest,
    ...(countsFailures(policy, tools.limits) ? [tools.slowDown] : []),
    ...(policy.idempotent ? [honourKey(policy, tools), refuseSpentFirst] : []),
    answered(policy, operation, tools),
  ]
}

function begin(policy: Policy): RequestHandler {
  return (req, _res, next) => {
    req.call.policy = policy
    req.call.auditable = policy.audit
    next()
  }
}

/** HEAD promises to change nothing, and Express runs it like GET: an act is not found by it. */
const passHead: RequestHandler = (req, _res, next) => {
  if (req.method === 'HEAD') next('route')
  else next()
}

/** What a body may not hold an address may not either: U+0000, and bytes that are not UTF-8. */
const refuseOddAddress: RequestHandler = (req, _res, next) => {
  if (req.url.includes('%') && !isPlainText(req.url)) {
    throw new Problem('invalid-request', { detail: 'The URL is malformed.' })
  }
  next()
}

function isPlainText(address: string): boolean {
  try {
    return !decodeURIComponent(address).includes('\0')
  } catch {
    return false
  }
}

/** Where a call costs nothing, one whose account was closed under way counts like a refused credential. */
function answered(
  policy: Policy,
  operation: AnyOperation,
  { answering, limits }: RouteTools,
): RequestHandler {
  const answer = dispatch(policy, operation, answering)
  if (policy.auth === 'public' || policy.rateLimit.length > 0) return answer
  return async (req, res, next) => {
    try {
      await answer(req, res, next)
    } catch (error) {
      const { code } = problemOf(error, req.call.principal?.id)
      if (code === 'token-invalid' && !res.headersSent) await chargeAnonymous(req.call, limits)
      throw error
    }
  }
}

/** A call whose credential is refused counts by its address, so that nothing of a subject shows. */
function signedIn(policy: Policy, { credentials, limits }: RouteTools): RequestHandler {
  const isOptional = policy.auth === 'optional'
  const check = isOptional ? authenticateIfShown(credentials) : authenticate(credentials)
  return async (req, res, next) => {
    try {
      await check(req, res, next)
    } catch (error) {
      await chargeAnonymous(req.call, limits)
      throw error
    }
  }
}
