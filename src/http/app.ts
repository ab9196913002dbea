import express, { type Express, type RequestHandler } from 'express'
import { ResponseCheck } from '../contract/responses/response-check.ts'
import type { OperationId } from '../contract/types.ts'
import { noMeter } from '../ports/observability/meter.ts'
import type { AppParts, HttpSettings } from './app-parts.ts'
import { createDocs } from './docs/docs.ts'
import { arrivalSteps, refusalSteps } from './request/arrival.ts'
import { redirectMoved } from './request/moved.ts'
import { operationRoute, type RouteTools } from './request/operation-route.ts'
import { parseQuery } from './request/query.ts'
import { slowDownFailures } from './request/slow-down.ts'
import {
  answerOptionsOfServer,
  countAnonymous,
  countUndecodable,
  methodsByRoute,
  refuseMethod,
  refusePath,
  routeOf,
} from './request/unmatched.ts'
import { createValidator, type Validator } from './request/validator.ts'
import type { AnyOperation } from './response/any-operation.ts'
import { ContractViolations } from './response/contract-violations.ts'
import { handleErrors } from './response/error-handler.ts'
import { type BeforeHead, checkHeads, measureResponses } from './response/head-check.ts'

export type App = {
  handler: Express
  /** The first and the last steps, for a request that is refused before an operation is looked up. */
  refuse: RequestHandler
  beforeHead: BeforeHead
} & Pick<Validator, 'warmUp'>

/** What checks the responses, in all steps. */
type Checks = { check: ResponseCheck; violations: ContractViolations }

/** The steps of a request, in order. @throws when the contract does not load */
export async function createApp(parts: AppParts): Promise<App> {
  const { document } = parts.contract
  const checks = {
    check: new ResponseCheck(document),
    violations: new ContractViolations(parts.deps),
  }
  const validator = await createValidator(document, parts.policies, (req, res, violation) => {
    checks.violations.replaceResponse(req, res, violation)
  })
  const { limits } = parts.services
  const onError = handleErrors({ log: parts.deps.log, meter: parts.deps.meter, limits, ...checks })

  const app = createExpress(parts.settings)
  app.use(...arrivalSteps(parts))
  serveOperations(app, parts, toolsOf(parts, validator, checks))
  redirectMovedPaths(app, parts)
  app.use(docsOf(parts))
  refuseUnmatched(app, parts)
  app.use(countUndecodable(limits), onError)

  const refuse = express.Router().use(...refusalSteps(parts), onError)
  const beforeHead = headSteps(parts, checks)
  return { handler: app, refuse, beforeHead, warmUp: () => validator.warmUp() }
}

function createExpress({ trustProxy }: HttpSettings): Express {
  const app = express()
  app.disable('x-powered-by').disable('etag')
  app.enable('case sensitive routing').enable('strict routing')
  return app.set('query parser', parseQuery).set('trust proxy', trustProxy)
}

function serveOperations(
  app: Express,
  { policies, operations }: AppParts,
  tools: RouteTools,
): void {
  for (const policy of policies.operations) {
    if (policy.movedTo !== undefined) continue
    const operation = operations[policy.operationId as OperationId] as AnyOperation
    app[policy.method](routeOf(policies, policy), ...operationRoute(policy, operation, tools))
  }
}

function redirectMovedPaths(app: Express, { policies, services }: AppParts): void {
  for (const moved of policies.moved) {
    app[moved.method](moved.from, ...redirectMoved(moved, countAnonymous(services.limits)))
  }
}

function docsOf({ contract, deps, settings }: AppParts): RequestHandler {
  const { securityContacts } = settings
  const publicJwks = () => deps.keys.publicJwks()
  return createDocs({ contract, publicJwks, securityContacts, clock: deps.clock })
}

function refuseUnmatched(app: Express, { policies, services }: AppParts): void {
  const count = countAnonymous(services.limits)
  const methods = methodsByRoute(policies)
  for (const [route, allow] of methods) app.all(route, count, refuseMethod(allow))
  app.use(answerOptionsOfServer(methods), count, refusePath)
}

/** What happens to every response just before its head is sent. */
function headSteps(parts: AppParts, { check, violations }: Checks): BeforeHead {
  const checkHead = checkHeads(check, violations, parts.onValidResponse)
  return parts.deps.meter === noMeter ? checkHead : measureResponses(parts.deps, checkHead)
}

function toolsOf(parts: AppParts, validator: Validator, checks: Checks): RouteTools {
  const { services, deps } = parts
  const { revocations, accountStatus, limits, idempotency } = services
  const { accessTokens, clock, eventLoop, meter } = deps
  return {
    validationOf: (policy) => validator.stepsOf(policy),
    credentials: { accessTokens, apiKeys: services.credentials, revocations, accountStatus },
    limits,
    idempotency,
    replying: { clock, eventLoop, meter, ...checks },
    slowDown: slowDownFailures(parts.signInDelayStepMs),
  }
}
