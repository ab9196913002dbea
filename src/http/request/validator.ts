import { setTimeout as pause } from 'node:timers/promises'
import type { Request, RequestHandler, Response } from 'express'
import { middleware } from 'express-openapi-validator'
import type {
  OpenAPIV3,
  OpenApiRequestMetadata,
} from 'express-openapi-validator/dist/framework/types.js'
import type { ContractDocument } from '../../contract/document.ts'
import type { Policies, Policy } from '../../contract/policy.ts'
import { INSTANT_FORM } from '../../domain/text/instants.ts'
import { refuseOddQuery } from './query.ts'
import { refuseOddIntegers, validationProblem } from './validation-problem.ts'
import { asValidatorReads } from './validator-document.ts'

/** Told of a reply that breaks the contract; it must answer in its place. */
export type InvalidReply = (req: Request, res: Response, violation: unknown) => void

/** The two stages of express-openapi-validator for one operation. */
export type OperationStages = { guardReply: RequestHandler; validateRequest: RequestHandler }

export type Validator = {
  stagesOf(policy: Policy): OperationStages
  /**
   * Compiles the schemas that the first call of each operation would otherwise wait for, about
   * 10 ms each, with pauses for whoever calls meanwhile.
   */
  warmUp(): Promise<void>
}

/**
 * In real time, whatever the clock of the program says: long enough for a few round trips to a
 * store. With a mere turn of the event loop in between, connecting to one would take as many
 * compilations as it takes messages, and it would be taken for away.
 */
const PAUSE_MS = 25

type Captured = OpenApiRequestMetadata
type Stage = (req: unknown, res: unknown, next: (error?: unknown) => void) => unknown

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
    captured.set(policy.operationId, await capture(stages, policies.basePath, policy))
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
    // Ajv's own takes hour 24 and an offset without its colon, and refuses a leap second that has one.
    formats: { 'date-time': INSTANT_FORM },
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

async function capture(stages: Stages, basePath: string, policy: Policy): Promise<Captured> {
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
  const { openapi } = request as { openapi?: Captured }
  if (!openapi) throw new Error(`express-openapi-validator does not find ${policy.operationId}`)
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
      stages.responseMiddleware(req, res, next)
    },
    validateRequest(req, res, next) {
      // There is nothing that could be wrong, and finding that out is a fifth of such a call.
      const hasQuery = req.url.includes('?')
      if (asksNothing && !hasQuery) {
        next()
        return
      }
      if (hasQuery) {
        refuseOddQuery(req.url, policy.queries)
        refuseOddIntegers(req, policy.integerQueries)
      }
      stages.requestMiddleware(req, res, (error?: unknown) => {
        if (error === undefined) next()
        else next(validationProblem(error, policy.headerParameters))
      })
    },
  }
}
