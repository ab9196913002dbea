import { setTimeout as pause } from 'node:timers/promises'
import type { Request, RequestHandler, Response } from 'express'
import { middleware } from 'express-openapi-validator'
import type {
  OpenAPIV3,
  OpenApiRequestMetadata,
} from 'express-openapi-validator/dist/framework/types.js'
import {
  type ContractDocument,
  METHODS,
  type OperationObject,
  type Reference,
  resolve,
  type ResponseObject,
} from '../contract/document.ts'
import type { Policies, Policy } from '../contract/policies.ts'
import { refuseOddIntegers, validationProblem } from './validation-problem.ts'

/** Told of a reply that breaks the contract; it must answer in its place. */
export type InvalidReply = (req: Request, res: Response, violation: unknown) => void

/** The two stages of express-openapi-validator for one operation. */
export type OperationStages = { guardReply: RequestHandler; validateRequest: RequestHandler }

export type Validator = {
  stagesOf(policy: Policy): OperationStages
  /**
   * Compiles the schemas that the first call of each operation would otherwise wait for, about
   * 50 ms each, with pauses for whoever calls meanwhile.
   */
  warmUp(): Promise<void>
}

/**
 * In real time, whatever the clock of the program says: long enough for a few round trips to a
 * store. With a mere turn of the event loop in between, connecting to one would take as many
 * compilations as it takes messages, and it would be taken for away.
 */
const PAUSE_MS = 25

/** What the validator knows of an operation, but for its problems. */
type Captured = Found & { problems: ReadonlySet<number> }
type Found = OpenApiRequestMetadata & { _responseSchema: Pick<OperationObject, 'responses'> }
type Stage = (req: unknown, res: unknown, next: (error?: unknown) => void) => unknown

const PROBLEM = 'application/problem+json'

const STAGES = [
  'pathParamsMiddleware',
  'metadataMiddleware',
  'requestMiddleware',
  'responseMiddleware',
] as const
type Stages = Record<(typeof STAGES)[number], Stage>

/**
 * express-openapi-validator, configured once. It looks for a request's route by trying each path
 * of the document in turn; Express has found it by then. So its lookup runs here, once for each
 * operation with a sample request, and what it found is given to its validating stages later.
 * @throws when the document does not load, or the validator's stages are not those we know
 */
export async function createValidator(
  document: ContractDocument,
  policies: Policies,
  onInvalidReply: InvalidReply,
): Promise<Validator> {
  const stages = stagesOf(document, onInvalidReply)
  const captured = new Map<string, Captured>()
  for (const policy of policies.operations) {
    const found = await capture(stages, policies.basePath, policy)
    captured.set(policy.operationId, withoutProblems(document, found))
  }
  return {
    stagesOf: (policy) => operationStages(stages, captured.get(policy.operationId)!, policy),
    async warmUp() {
      for (const policy of policies.operations) {
        await compile(stages, captured.get(policy.operationId)!, policy)
        await pause(PAUSE_MS)
      }
    },
  }
}

function stagesOf(document: ContractDocument, onInvalidReply: InvalidReply): Stages {
  const handlers = middleware({
    apiSpec: asValidatorReads(document) as unknown as OpenAPIV3.DocumentV3,
    validateApiSpec: true,
    validateRequests: { allErrors: true },
    validateResponses: {
      allErrors: true,
      onError: (error, _body, req) => {
        // Warming up has nobody to answer.
        if (req.res) onInvalidReply(req, req.res, error)
      },
    },
    validateSecurity: false,
    fileUploader: false,
  })
  const byName = new Map(handlers.map((stage) => [stage.name, stage as Stage]))
  const missing = STAGES.filter((name) => !byName.has(name))
  if (missing.length > 0) {
    throw new Error(`express-openapi-validator has no ${missing.join(', ')} any more`)
  }
  return Object.fromEntries(byName) as Stages
}

/**
 * The document as the validator shall read it. It takes `servers` on a path, which describe the
 * legacy places, for a method. And it refuses `+` and `:` in a query unless they are reserved for
 * the value, but `+` is how forms and `URLSearchParams` write a space.
 */
function asValidatorReads(document: ContractDocument): ContractDocument {
  const copy = structuredClone(document)
  const items = Object.values(copy.paths)
  for (const item of items) delete item.servers
  const ofPaths = items.flatMap((item) => [item, ...METHODS.map((method) => item[method])])
  const shared = Object.values(copy.components.parameters ?? {})
  for (const parameter of [...shared, ...ofPaths.flatMap((one) => one?.parameters ?? [])]) {
    if ('in' in parameter && parameter.in === 'query') parameter.allowReserved = true
  }
  return copy
}

/**
 * The validator compiles the schema of every response of every operation anew, and reads the whole
 * document each time. Nine of ten are problems, which are made in one place that checks them itself
 * (`http/problems.ts`): it does not hear of them.
 */
function withoutProblems(document: ContractDocument, found: Found): Captured {
  const { _responseSchema: schema } = found
  const all = Object.entries(schema.responses)
  const isProblem = (response: ResponseObject | Reference) =>
    Object.keys(resolve(document, response).content ?? {}).join() === PROBLEM
  const others = all.filter(([, response]) => !isProblem(response))
  const problems = all.filter(([, response]) => isProblem(response))
  return {
    ...found,
    _responseSchema: { ...schema, responses: Object.fromEntries(others) },
    problems: new Set(problems.map(([status]) => Number(status))),
  }
}

async function capture(stages: Stages, basePath: string, policy: Policy): Promise<Found> {
  const path = basePath + policy.path.replaceAll(/\{\w+\}/g, '0')
  const request = {
    method: policy.method.toUpperCase(),
    path,
    url: path,
    originalUrl: path,
    baseUrl: '',
    headers: {},
    // The validator would hang a callback on every path parameter of the app.
    app: { param: () => undefined, enabled: () => false },
  }
  await pass(stages.pathParamsMiddleware, request)
  await pass(stages.metadataMiddleware, request)
  const { openapi } = request as { openapi?: Found }
  if (!openapi?._responseSchema)
    throw new Error(`express-openapi-validator does not find ${policy.operationId}`)
  return openapi
}

/** The validator compiles when it sees the first request and the first reply; here are both. */
async function compile(stages: Stages, captured: Captured, policy: Policy): Promise<void> {
  const headers = policy.hasBody ? { 'content-type': 'application/json' } : {}
  const method = policy.method.toUpperCase()
  const request = { method, headers, query: {}, params: {}, body: {}, openapi: captured }
  const ignore = () => undefined
  await pass(stages.requestMiddleware, request).catch(ignore)
  await pause(PAUSE_MS)
  // No operation documents 499: the schemas are compiled, and the reply is then refused.
  const reply = { statusCode: 499, getHeaders: () => ({}), json: ignore }
  await new Promise<void>((resolve) => {
    stages.responseMiddleware(request, reply, () => {
      resolve()
    })
  })
  reply.json()
}

function pass(stage: Stage, request: unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    stage(request, {}, (error) => {
      if (error === undefined) resolve()
      else reject(error instanceof Error ? error : new Error(JSON.stringify(error)))
    })
  })
}

function operationStages(stages: Stages, captured: Captured, policy: Policy): OperationStages {
  const asksNothing = !policy.hasBody && (captured.schema.parameters ?? []).length === 0
  return {
    guardReply(req, res, next) {
      Object.assign(req, { openapi: { ...captured, pathParams: req.params } })
      const json = res.json.bind(res)
      stages.responseMiddleware(req, res, (error) => {
        const guarded = res.json.bind(res)
        res.json = (body) => (isProblem(res, captured) ? json(body) : guarded(body))
        next(error)
      })
    },
    validateRequest(req, res, next) {
      // There is nothing that could be wrong, and finding that out is a fifth of such a call.
      if (asksNothing && !req.originalUrl.includes('?')) {
        next()
        return
      }
      refuseOddIntegers(req, policy.integerQueries)
      stages.requestMiddleware(req, res, (error?: unknown) => {
        if (error === undefined) next()
        else next(validationProblem(error, policy.headerParameters))
      })
    },
  }
}

/** One that the operation documents; any other is the validator's to refuse. */
function isProblem(res: Response, { problems }: Captured): boolean {
  return problems.has(res.statusCode) && String(res.getHeader('Content-Type')).startsWith(PROBLEM)
}
