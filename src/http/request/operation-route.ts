import type { ErrorRequestHandler, RequestHandler } from 'express'
import type { Policy } from '../../contract/policy.ts'
import type { Idempotency } from '../../domain/calls/idempotency.ts'
import type { Limits } from '../../domain/limits/limits.ts'
import { Problem } from '../../domain/problem.ts'
import type { AnyOperation } from '../response/any-operation.ts'
import { dispatch, type DispatchTools } from '../response/dispatch.ts'
import { problemOf } from '../response/error-mapping.ts'
import { authenticate, authenticateIfShown, authorize, type Credentials } from './authenticate.ts'
import { readBody } from './body.ts'
import { chargeAnonymous } from './charges.ts'
import { honourKey } from './idempotency.ts'
import { settleMediaType } from './media-type.ts'
import { negotiate } from './negotiate.ts'
import { countsFailures, rateLimit, refuseExceededFirst } from './rate-limit.ts'
import type { ValidationSteps } from './validator.ts'

export type RouteTools = {
  validationOf: (policy: Policy) => ValidationSteps
  credentials: Credentials
  limits: Limits
  idempotency: Idempotency
  replying: DispatchTools
  /** Delays a client that keeps failing to sign in. */
  slowDown: RequestHandler
}

/** One operation's steps, in order, from the match to the reply. */
export function operationRoute(
  policy: Policy,
  operation: AnyOperation,
  tools: RouteTools,
): (RequestHandler | ErrorRequestHandler)[] {
  const { validateReply, validateRequest } = tools.validationOf(policy)
  const isPublic = policy.auth === 'public'
  return [
    ...(policy.audit.length > 0 ? [skipHead] : []),
    matched(policy),
    settleMediaType(policy.hasBody),
    validateReply,
    ...(isPublic ? [] : [signedIn(policy, tools)]),
    rateLimit(policy, tools.limits),
    ...(isPublic ? [] : [authorize(policy)]),
    refuseOddUrl,
    negotiate(policy),
    ...(policy.hasBody ? [readBody(tools.replying.clock)] : []),
    validateRequest,
    ...(countsFailures(policy, tools.limits) ? [tools.slowDown] : []),
    ...(policy.idempotent ? [honourKey(policy, tools), refuseExceededFirst] : []),
    dispatched(policy, operation, tools),
  ]
}

function matched(policy: Policy): RequestHandler {
  return (req, _res, next) => {
    req.call.policy = policy
    req.call.auditable = policy.audit
    next()
  }
}

/** HEAD promises to change nothing, and Express runs it like GET: it does not match an audited operation. */
const skipHead: RequestHandler = (req, _res, next) => {
  if (req.method === 'HEAD') next('route')
  else next()
}

/** Refuses in a URL what a body may not hold either: U+0000, and bytes that are not UTF-8. */
const refuseOddUrl: RequestHandler = (req, _res, next) => {
  if (req.url.includes('%') && !isPlainText(req.url)) {
    throw new Problem('invalid-request', { detail: 'The URL is malformed.' })
  }
  next()
}

function isPlainText(url: string): boolean {
  try {
    return !decodeURIComponent(url).includes('\0')
  } catch {
    return false
  }
}

/** Authenticates. A refused credential is counted by its address, so that nothing of an account shows. */
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

/**
 * Runs the operation. Where a call is free and its account turns out to be closed, the call counts
 * like one with a refused credential.
 */
function dispatched(
  policy: Policy,
  operation: AnyOperation,
  { replying, limits }: RouteTools,
): RequestHandler {
  const run = dispatch(policy, operation, replying)
  if (policy.auth === 'public' || policy.rateLimit.length > 0) return run
  return async (req, res, next) => {
    try {
      await run(req, res, next)
    } catch (error) {
      const { code } = problemOf(error, req.call.principal?.id)
      if (code === 'token-invalid' && !res.headersSent) await chargeAnonymous(req.call, limits)
      throw error
    }
  }
}
