import express, { type Express, type RequestHandler } from 'express'
import type { Contract } from '../contract/document.ts'
import { createAnswerCheck } from '../contract/answers.ts'
import { createFrameCheck } from '../contract/frames.ts'
import type { Policies } from '../contract/policy.ts'
import { createSchemaChecks } from '../contract/schema-checks.ts'
import type { Operations } from '../contract/types.ts'
import type { Dependencies } from '../domain/dependencies.ts'
import type { SigningKeys } from '../ports/keys/signing-keys.ts'
import type { Tracer } from '../ports/observability/tracer.ts'
import type { Services } from '../domain/services.ts'
import {
  type AnswerGuard,
  countAnswers,
  guardAnswers,
  type ValidAnswer,
} from './response/answer-guard.ts'
import { noteViolations, refuseInvalidReply } from './response/contract-violations.ts'
import { crossOrigin } from './request/cross-origin.ts'
import type { AnyOperation } from './response/dispatch.ts'
import { createDocs } from './docs/docs.ts'
import { answerMoved } from './request/moved.ts'
import { operationRoute, type RouteTools } from './request/operation-route.ts'
import { answerProblems, createAnswerProblem } from './response/problems.ts'
import { parseQuery } from './request/query.ts'
import { asNoPreflight, assumeOrigin, throwRefusal } from './request/refusals.ts'
import { logRequests } from './request/request-log.ts'
import { traceRequests } from './request/request-trace.ts'
import { securityHeaders } from './response/security-headers.ts'
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
import { createValidator, type Validator } from './request/validator.ts'
import { noMeter } from '../ports/observability/meter.ts'

/** What the operator decides of HTTP. Source: the configuration. */
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
  /** How much longer each further failure to sign in takes, in milliseconds. */
  signInDelayStepMs: number
  /** Told of every answer that is what the contract promises. */
  onValidAnswer?: ((answer: ValidAnswer) => void) | undefined
}

export type App = {
  handler: Express
  /** The same beginning and end, for what is refused before its operation is looked for. */
  refuse: RequestHandler
  guardAnswer: AnswerGuard
} & Pick<Validator, 'warmUp'>

/** Health checks come from inside the network, by plain HTTP, even where HTTPS is required. */
const PLAIN: ReadonlySet<string> = new Set(['getHealth', 'getReadiness'])

/** The request's whole journey, in order. @throws when the contract does not load */
export async function createApp(parts: AppParts): Promise<App> {
  const { contract, policies, operations, services, deps, settings } = parts
  const { limits } = services
  const { document } = contract
  const note = noteViolations(deps)
  const checkProblem = createSchemaChecks(document)('#/components/schemas/Problem')
  const answerProblem = createAnswerProblem(note, checkProblem, deps.meter)
  const onInvalidReply = refuseInvalidReply(note, answerProblem)
  const validator = await createValidator(document, policies, onInvalidReply)
  const tools: RouteTools = {
    stagesOf: validator.stagesOf,
    credentials: {
      accessTokens: deps.accessTokens,
      apiKeys: services.credentials,
      revocations: services.revocations,
      standing: services.standing,
    },
    limits,
    idempotency: services.idempotency,
    answering: {
      clock: deps.clock,
      eventLoop: deps.eventLoop,
      meter: deps.meter,
      checkFrame: createFrameCheck(document, 'ChatStreamEvent'),
      checkLine: createFrameCheck(document, 'ExportRecord'),
      onInvalidFrame: note,
      onInvalidReply,
    },
    slowDown: slowDownFailures(parts.signInDelayStepMs),
  }

  const app = express()
  app.disable('x-powered-by').disable('etag')
  app.enable('case sensitive routing').enable('strict routing')
  app.set('query parser', parseQuery).set('trust proxy', settings.trustProxy)

  const log = [logRequests(deps), ...(deps.tracer ? [traceRequests(deps.tracer)] : [])]
  const origins = crossOrigin(settings.corsOrigins, document)
  app.use(...log, securityHeaders, ...(speaksHttps(settings) ? [keepToHttps] : []))
  for (const step of origins) app.use(step)
  if (settings.requireHttps) app.use(requireHttps(openPathsOf(policies)))
  for (const policy of policies.operations) {
    if (policy.movedTo !== undefined) continue
    const operation = operations[policy.operationId as keyof Operations] as AnyOperation
    app[policy.method](routeOf(policies, policy), ...operationRoute(policy, operation, tools))
  }
  for (const moved of policies.moved) {
    app[moved.method](moved.from, ...answerMoved(moved, countAnonymous(limits)))
  }
  const { securityContacts } = settings
  const publicJwks = () => deps.keys.publicJwks()
  app.use(createDocs({ contract, publicJwks, securityContacts, clock: deps.clock }))
  const methods = methodsByRoute(policies)
  const toProblems = answerProblems(deps.log, answerProblem, limits)
  for (const [route, allow] of methods) {
    app.all(route, countAnonymous(limits), refuseMethod(allow))
  }
  app.use(answerOptionsOfServer(methods), countAnonymous(limits), refusePath)
  app.use(countUndecodable(limits), toProblems)
  const guard = guardAnswers(createAnswerCheck(document), note, parts.onValidAnswer)
  const guardAnswer = deps.meter === noMeter ? guard : countAnswers(deps, guard)
  const refuse = express.Router()
  refuse.use(...log, securityHeaders, keepToHttps, assumeOrigin(settings.corsOrigins))
  refuse.use(...origins.map(asNoPreflight), throwRefusal, toProblems)
  return { handler: app, refuse, guardAnswer, warmUp: validator.warmUp }
}

/** Where nobody has asked for HTTPS, nothing is said of it. */
function speaksHttps({ requireHttps: isRequired, tls }: HttpSettings): boolean {
  return isRequired || tls !== undefined
}

function openPathsOf(policies: Policies): Set<string> {
  const open = policies.operations.filter(({ operationId }) => PLAIN.has(operationId))
  return new Set(open.map((policy) => routeOf(policies, policy)))
}
