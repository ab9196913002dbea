import { setTimeout as pause } from 'node:timers/promises'
import type { Request, Response } from 'express'
import { middleware } from 'express-openapi-validator'
import type {
  OpenAPIV3,
  OpenApiRequestMetadata,
} from 'express-openapi-validator/dist/framework/types.js'
import type { ContractDocument } from '../../contract/document.ts'
import { JSON_TYPE } from '../../contract/media-types.ts'
import type { Policy } from '../../contract/policy.ts'
import { INSTANT_FORM } from '../../domain/text/instants.ts'
import { asValidatorReads } from './validator-document.ts'

/*
 * express-openapi-validator, taken apart into its stages: the library runs them one after the other
 * for each request, and looks up the route each time.
 */

const STAGES = [
  'pathParamsMiddleware',
  'metadataMiddleware',
  'requestMiddleware',
  'responseMiddleware',
] as const

type Stage = (req: unknown, res: unknown, next: (error?: unknown) => void) => unknown
export type Stages = Record<(typeof STAGES)[number], Stage>

/** Sends something else in place of a reply that breaks the contract. */
export type ReplaceReply = (req: Request, res: Response, violation: unknown) => void

/** What the library's lookup finds out about an operation. */
export type Metadata = OpenApiRequestMetadata

/** In real time, whatever the clock of the program says. See `Validator.warmUp`. */
export const PAUSE_MS = 25

/** @throws when the document does not load, or the library's stages are not the known ones */
export function loadStages(document: ContractDocument, replaceReply: ReplaceReply): Stages {
  const handlers = middleware({
    apiSpec: asValidatorReads(document) as unknown as OpenAPIV3.DocumentV3,
    validateApiSpec: true,
    validateRequests: { allErrors: true },
    validateResponses: {
      allErrors: true,
      onError: (error, _body, req) => {
        // Warming up has no response.
        if (req.res) replaceReply(req, req.res, error)
      },
    },
    // Ajv's own accepts hour 24 and an offset without its colon, and rejects a leap second with one.
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

/** Runs the library's lookup for one operation, with a sample request. */
export async function lookUp(stages: Stages, basePath: string, policy: Policy): Promise<Metadata> {
  const path = basePath + policy.path.replaceAll(/\{\w+\}/g, '0')
  const request = {
    method: policy.method.toUpperCase(),
    path,
    url: path,
    originalUrl: path,
    baseUrl: '',
    headers: {},
    // The library would hang a callback on every path parameter of the app.
    app: { param: () => undefined, enabled: () => false },
  }
  await pass(stages.pathParamsMiddleware, request)
  await pass(stages.metadataMiddleware, request)
  const { openapi } = request as { openapi?: Metadata }
  if (!openapi) throw new Error(`express-openapi-validator does not find ${policy.operationId}`)
  return openapi
}

/** Compiles the schemas of an operation: the library does so at the first request and the first reply. */
export async function compile(stages: Stages, metadata: Metadata, policy: Policy): Promise<void> {
  const headers = policy.hasBody ? { 'content-type': JSON_TYPE } : {}
  const method = policy.method.toUpperCase()
  const request = { method, headers, query: {}, params: {}, body: {}, openapi: metadata }
  const ignore = () => undefined
  await pass(stages.requestMiddleware, request).catch(ignore)
  await pause(PAUSE_MS)
  // No operation documents 499: the library compiles the schemas, and then refuses the reply.
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
