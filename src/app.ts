import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express'
import type { Config } from './config.ts'
import type { Contract } from './contract/document.ts'
import { createFrameCheck } from './contract/frames.ts'
import type { Policies, Policy } from './contract/policies.ts'
import type { Dependencies } from './dependencies.ts'
import { Problem } from './domain/problem.ts'
import type { Services } from './domain/services.ts'
import { countViolations } from './http/contract-violations.ts'
import { crossOrigin } from './http/cross-origin.ts'
import type { AnyOperation } from './http/dispatch.ts'
import { createDocs } from './http/docs.ts'
import { announceDeprecation, redirectMoved } from './http/moved.ts'
import { operationRoute, type RouteTools } from './http/operation-route.ts'
import { answerProblems } from './http/problems.ts'
import { chargeAnonymous } from './http/rate-limit.ts'
import { logRequests } from './http/request-log.ts'
import { securityHeaders } from './http/security-headers.ts'
import { slowDownFailures } from './http/slow-down.ts'
import { createValidator, type Validator } from './http/validator.ts'
import type { Operations } from './contract/types.ts'

export type AppParts = {
  contract: Contract
  policies: Policies
  operations: Operations
  services: Services
  deps: Dependencies
  config: Pick<Config, 'server'>
  /** How much longer each further failure to sign in takes, in milliseconds. */
  signInDelayStepMs: number
}

export type App = { handler: Express } & Pick<Validator, 'warmUp'>

/** The request's whole journey, in order. @throws when the contract does not load */
export async function createApp(parts: AppParts): Promise<App> {
  const { contract, policies, operations, services, deps, config } = parts
  const { limits } = services
  const violations = countViolations(deps.log)
  const validator = await createValidator(contract.document, policies, violations.onInvalidReply)
  const tools: RouteTools = {
    stagesOf: validator.stagesOf,
    credentials: { accessTokens: deps.accessTokens, revocations: services.revocations },
    limits,
    answering: {
      clock: deps.clock,
      checkFrame: createFrameCheck(contract.document, 'ChatStreamEvent'),
      onInvalidFrame: violations.onInvalidFrame,
      onInvalidReply: violations.onInvalidReply,
    },
    slowDown: slowDownFailures(parts.signInDelayStepMs),
  }

  const app = express()
  app.disable('x-powered-by').disable('etag').enable('case sensitive routing')
  app.set('query parser', 'simple').set('trust proxy', config.server.trustProxy)

  app.use(logRequests(deps), securityHeaders, ...crossOrigin(config.server.corsOrigins))
  for (const policy of policies.operations) {
    if (policy.movedTo !== undefined) continue
    const operation = operations[policy.operationId as keyof Operations] as AnyOperation
    app[policy.method](routeOf(policies, policy), ...operationRoute(policy, operation, tools))
  }
  for (const moved of policies.moved) {
    const steps = [announceDeprecation(moved.deprecation), countAnonymous(limits)]
    app[moved.method](moved.from, ...steps, redirectMoved(moved))
  }
  app.use(createDocs({ contract, publicJwks: () => deps.keys.publicJwks() }))
  for (const [route, allow] of methodsByRoute(policies)) {
    app.all(route, countAnonymous(limits), refuseMethod(allow))
  }
  app.use(countAnonymous(limits), refusePath)
  app.use(countUnmatched(limits), answerProblems(deps.log))
  return { handler: app, warmUp: validator.warmUp }
}

function routeOf(policies: Policies, { path }: Policy): string {
  return policies.basePath + path.replaceAll(/\{(\w+)\}/g, ':$1')
}

function methodsByRoute(policies: Policies): Map<string, string> {
  const methods = new Map<string, string>()
  const add = (route: string, method: string) => {
    const name = method === 'get' ? 'GET, HEAD' : method.toUpperCase()
    methods.set(route, [methods.get(route), name].filter(Boolean).join(', '))
  }
  for (const policy of policies.operations) {
    if (policy.movedTo === undefined) add(routeOf(policies, policy), policy.method)
  }
  for (const moved of policies.moved) add(moved.from, moved.method)
  return methods
}

function countAnonymous(limits: Services['limits']): RequestHandler {
  return async (req, _res, next) => {
    await chargeAnonymous(req.call, limits)
    next()
  }
}

/** A path that the router cannot decode fails before any operation could count it. */
function countUnmatched(limits: Services['limits']): ErrorRequestHandler {
  return async (error: unknown, req, _res, next) => {
    if (error instanceof URIError && !req.call.policy) await chargeAnonymous(req.call, limits)
    next(error)
  }
}

/** What the path has is told to whoever asks by OPTIONS, and to whoever tried something else. */
function refuseMethod(allow: string): RequestHandler {
  return (req, res) => {
    if (req.method !== 'OPTIONS') throw new Problem('method-not-allowed', { allow })
    res.statusCode = 204
    res.setHeader('Allow', allow)
    res.end()
  }
}

const refusePath: RequestHandler = () => {
  throw new Problem('not-found')
}
