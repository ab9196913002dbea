import { setTimeout as pause } from 'node:timers/promises'
import type { RequestHandler } from 'express'
import type { ContractDocument } from '../../contract/document.ts'
import type { Policies, Policy } from '../../contract/policy.ts'
import { refuseOddQuery } from './query.ts'
import { refuseOddIntegers, validationProblem } from './validation-problem.ts'
import {
  compile,
  loadStages,
  lookUp,
  type Metadata,
  PAUSE_MS,
  type ReplaceReply,
  type Stages,
} from './validator-stages.ts'

/** The steps of one operation that express-openapi-validator does. */
export type ValidationSteps = { validateReply: RequestHandler; validateRequest: RequestHandler }

export type Validator = {
  stepsOf(policy: Policy): ValidationSteps
  /**
   * Compiles the schemas that the first call of each operation would otherwise wait for, about
   * 10 ms each. Between two it pauses long enough for a few round trips to a store: after a mere
   * turn of the event loop, connecting to one would take as many compilations as it takes messages,
   * and the store would count as unavailable.
   */
  warmUp(): Promise<void>
}

/**
 * express-openapi-validator checks the JSON bodies of requests and replies. For each request it would
 * look for the route by trying each path of the document in turn, though Express has already found it:
 * so its lookup runs here, once for each operation, and its validating stages get the result.
 * @throws when the document does not load, or the library's stages are not the known ones
 */
export async function createValidator(
  document: ContractDocument,
  policies: Policies,
  replaceReply: ReplaceReply,
): Promise<Validator> {
  const stages = loadStages(document, replaceReply)
  const found = new Map<string, Metadata>()
  for (const policy of policies.operations) {
    found.set(policy.operationId, await lookUp(stages, policies.basePath, policy))
  }
  return {
    stepsOf: (policy) => validationSteps(stages, found.get(policy.operationId)!, policy),
    async warmUp() {
      for (const policy of policies.operations) {
        await compile(stages, found.get(policy.operationId)!, policy)
        await pause(PAUSE_MS)
      }
    },
  }
}

function validationSteps(stages: Stages, metadata: Metadata, policy: Policy): ValidationSteps {
  return {
    validateReply(req, res, next) {
      Object.assign(req, { openapi: { ...metadata, pathParams: req.params } })
      stages.responseMiddleware(req, res, next)
    },
    validateRequest: requestStep(stages, metadata, policy),
  }
}

function requestStep(stages: Stages, metadata: Metadata, policy: Policy): RequestHandler {
  const takesNothing = !policy.hasBody && (metadata.schema.parameters ?? []).length === 0
  return (req, res, next) => {
    const hasQuery = req.url.includes('?')
    // Nothing can be wrong here, and finding that out takes a fifth of such a call.
    if (takesNothing && !hasQuery) {
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
  }
}
