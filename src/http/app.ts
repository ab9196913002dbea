import express, { type Express, type RequestHandler } from 'express'
import type { Contract } from '../contract/document.ts'
import type { Policies } from '../contract/policy.ts'
import { ResponseCheck } from '../contract/responses/response-check.ts'
import type { OperationId } from '../contract/types.ts'
import type { Dependencies } from '../domain/dependencies.ts'
import type { Services } from '../domain/services.ts'
import type { Operations } from '../operations/operation.ts'
import type { SigningKeys } from '../ports/keys/signing-keys.ts'
import { noMeter } from '../ports/observability/meter.ts'
import type { Tracer } from '../ports/observability/tracer.ts'
import { createDocs } from './docs/docs.ts'
import { crossOrigin } from './request/cross-origin.ts'
import { redirectMoved } from './request/moved.ts'
import { operationRoute, type RouteTools } from './request/operation-route.ts'
import { parseQuery } from './request/query.ts'
import { logRequests } from './request/request-log.ts'
import { traceRequests } from './request/request-trace.ts'
import { slowDownFailures } from './request/slow-down.ts'
import { keepToHttps, requireHttps } from './request/transport.ts'
import {
  answerOptionsOfServer,
  countAnonymous,
  countUndecodable,
  methodsByRoute,
  refuseMethod,
  refusePath,
  routeOf,
} from './request/unmatched.ts'
import { asNoPreflight, assumeOrigin, throwRefusal } from './request/unreadable-requests.ts'
import { createValidator, type Validator } from './request/validator.ts'
import type { AnyOperation } from './response/any-operation.ts'
import { ContractViolations } from './response/contract-violations.ts'
import { handleErrors } from './response/error-handler.ts'
import {
  type BeforeHead,
  checkHeads,
  measureResponses,
  type ValidResponse,
} from './response/head-check.ts'
import { securityHeaders } from './response/security-headers.ts'

/** The operator's decisions about HTTP. Source: the configuration. */
export type HttpSettings = {
  /** A number of hops, or addresses and CIDRs, as Express's `trust proxy` takes them. */
  trustProxy: number | readonly string[]
  corsOrigins: readonly string[]
  requireHttps: boolean
  tls: object | undefined
  securityContacts: readonly string[]
}

export type AppParts = {
  contract: Contract
  policies: Policies
  operations: Operations
  services: Services
  deps: Dependencies & { keys: SigningKeys; tracer?: Tracer }
  settings: HttpSettings
  /** The additional delay for each further failure to sign in, in milliseconds. */
  signInDelayStepMs: number
  /** Called with every response that fits the contract. */
  onValidResponse?: ((response: ValidResponse) => void) | undefined
}

export type App = {
  handler: Express
  /** The first and the last steps, for a request that is refused before an operation is looked up. */
  refuse: RequestHandler
  beforeHead: BeforeHead
} & Pick<Validator, 'warmUp'>

/** What checks the responses, for all steps. */
type Checks = { check: ResponseCheck; violations: ContractViolations }

/** Health checks come from inside the network, over plain HTTP, even where HTTPS is required. */
const HEALTH_CHECKS: readonly OperationId[] = ['getHealth', 'getReadiness']

/** The steps of a request, in order. @throws when the contract does not load */
export async function createApp(parts: AppParts): Promise<App> {
  const { contract, policies, deps, settings } = parts
  const { limits } = parts.services
  const checks = {
    check: new ResponseCheck(contract.document),
    violations: new ContractViolations(deps),
  }
  const validator = await createValidator(contract.document, policies, (req, res, violation) => {
    checks.violations.replaceResponse(req, res, violation)
  })
  const onError = handleErrors({ log: deps.log, meter: deps.meter, limits, ...checks })

  const app = createExpress(settings)
  app.use(...arrivalSteps(parts))
  serveOperations(app, parts, toolsOf(parts, validator, checks))
  redirectMovedPaths(app, parts)
  app.use(docsOf(parts))
  refuseUnmatched(app, parts)
  app.use(countUndecodable(limits), onError)

  const refuse = express.Router().use(...refusalSteps(parts), onError)
  return {
    handler: app,
    refuse,
    beforeHead: headSteps(parts, checks),
    warmUp: () => validator.warmUp(),
  }
}

function createExpress({ trustProxy }: HttpSettings): Express {
  const app = express()
  app.disable('x-powered-by').disable('etag')
  app.enable('case sensitive routing').enable('strict routing')
  return app.set('query parser', parseQuery).set('trust proxy', trustProxy)
}

/** What happens to every request before its route is looked up. */
function arrivalSteps({ contract, policies, deps, settings }: AppParts): RequestHandler[] {
  return [
    ...observed(deps),
    securityHeaders,
    ...(speaksHttps(settings) ? [keepToHttps] : []),
    ...crossOrigin(settings.corsOrigins, contract.document),
    ...(settings.requireHttps ? [requireHttps(openPathsOf(policies))] : []),
  ]
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

/** What happens to a request that cannot be read as one, or not safely. */
function refusalSteps({ contract, deps, settings }: AppParts): RequestHandler[] {
  return [
    ...observed(deps),
    securityHeaders,
    keepToHttps,
    assumeOrigin(settings.corsOrigins),
    ...crossOrigin(settings.corsOrigins, contract.document).map(asNoPreflight),
    throwRefusal,
  ]
}

/** What happens to every response just before its head is sent. */
function headSteps(parts: AppParts, { check, violations }: Checks): BeforeHead {
  const checked = checkHeads(check, violations, parts.onValidResponse)
  return parts.deps.meter === noMeter ? checked : measureResponses(parts.deps, checked)
}

function observed(deps: AppParts['deps']): RequestHandler[] {
  return [logRequests(deps), ...(deps.tracer ? [traceRequests(deps.tracer)] : [])]
}

function toolsOf(parts: AppParts, validator: Validator, checks: Checks): RouteTools {
  const { services, deps } = parts
  const { revocations, standing, limits, idempotency } = services
  const { accessTokens, clock, turns, meter } = deps
  return {
    validationOf: (policy) => validator.stepsOf(policy),
    credentials: { accessTokens, apiKeys: services.credentials, revocations, standing },
    limits,
    idempotency,
    replying: { clock, turns, meter, ...checks },
    slowDown: slowDownFailures(parts.signInDelayStepMs),
  }
}

/** Whether the server speaks HTTPS, itself or by a proxy. */
function speaksHttps({ requireHttps: isRequired, tls }: HttpSettings): boolean {
  return isRequired || tls !== undefined
}

function openPathsOf(policies: Policies): Set<string> {
  const ids: readonly string[] = HEALTH_CHECKS
  const open = policies.operations.filter(({ operationId }) => ids.includes(operationId))
  return new Set(open.map((policy) => routeOf(policies, policy)))
}
