import { randomUUID } from 'node:crypto'
import {
  type Contract,
  loadContract,
  type OperationObject,
} from '../../../src/contract/document.ts'
import type { Policies, Policy } from '../../../src/contract/policy.ts'
import type { OperationId } from '../../../src/contract/types.ts'
import { loadPolicies } from '../../../src/assembly/parley.ts'
import type { ApiRequest } from '../client.ts'

/** The contract, for tests that derive what they try from it. */
export const contract: Contract = loadContract()
export const policies: Policies = loadPolicies(contract)

/** Every operation that has a handler. */
export const operationIds = policies.operations
  .filter(({ movedTo }) => movedTo === undefined)
  .map(({ operationId }) => operationId as OperationId)

export function policyOf(operationId: string): Policy {
  return policies.operations.find((policy) => policy.operationId === operationId)!
}

export function operationOf(operationId: OperationId): OperationObject {
  const { path, method } = policyOf(operationId)
  return contract.document.paths[path]![method]!
}

/** A request that fits the contract: the example body, and new ids in the path. */
export function exampleRequest<K extends OperationId>(operationId: K): ApiRequest<K> {
  const { path } = policyOf(operationId)
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!)
  const body = exampleBody(operationId)
  return {
    ...(names.length > 0 && {
      path: Object.fromEntries(names.map((name) => [name, randomUUID()])),
    }),
    ...(body !== undefined && { body }),
  } as ApiRequest<K>
}

/** The example of the request body; undefined for an operation without one. */
export function exampleBody(operationId: OperationId): unknown {
  const { requestBody } = operationOf(operationId) as {
    requestBody?: { content: { 'application/json': { example: unknown } } }
  }
  return requestBody?.content['application/json'].example
}
