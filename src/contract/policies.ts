import type { ProblemCode } from '../../generated/api.ts'
import {
  type ContractDocument,
  type Method,
  METHODS,
  type OperationObject,
  type PathItem,
} from './document.ts'
import { ContractMistake, parseLimits, refuseUnknownKeys } from './extensions.ts'
import { movedPaths } from './moved-paths.ts'
import { parseOperation } from './operation-policy.ts'
import { placeOf } from './places.ts'
import type { Policies, Policy } from './policy.ts'

const ROOT_KEYS = ['x-rate-limits']

/**
 * Reads every policy of the document and checks each against the others.
 * @param statusOf the HTTP status of each problem code
 * @throws {ContractMistake} at the first mistake: an unknown `x-` key, limit, scope, problem or operation
 */
export function parsePolicies(
  document: ContractDocument,
  statusOf: Readonly<Partial<Record<ProblemCode, number>>>,
): Policies {
  refuseUnknownKeys(document, ROOT_KEYS, '#')
  const basePath = basePathOf(document)
  const limits = parseLimits(document)
  const paths = Object.entries(document.paths)
  const operations = paths.flatMap(([path, item]) =>
    operationsOf(item).map(([method, operation]) => {
      const place = placeOf(path, method)
      return parseOperation({ document, limits, statusOf, path, method, operation, place })
    }),
  )
  checkReferences(operations)
  const moved = paths.flatMap(([path, item]) => movedPaths(path, item, operations, basePath))
  return { basePath, limits, operations, moved }
}

function basePathOf(document: ContractDocument): string {
  const url = document.servers[0]?.url
  if (!url?.startsWith('/')) throw new ContractMistake('#/servers/0/url', 'must be a path')
  return url
}

function operationsOf(item: PathItem): [Method, OperationObject][] {
  return METHODS.flatMap((method) => {
    const operation = item[method]
    return operation ? [[method, operation] as [Method, OperationObject]] : []
  })
}

function checkReferences(operations: readonly Policy[]): void {
  const ids = operations.map((operation) => operation.operationId)
  for (const { operationId, path, method, movedTo } of operations) {
    const place = placeOf(path, method)
    if (ids.indexOf(operationId) !== ids.lastIndexOf(operationId)) {
      throw new ContractMistake(`${place}/operationId`, `${operationId} is used twice`)
    }
    if (movedTo !== undefined && !ids.includes(movedTo)) {
      throw new ContractMistake(`${place}/x-moved-to`, `there is no operation ${movedTo}`)
    }
  }
}
