import type { ProblemCode, Scope } from '../../generated/api.ts'
import {
  type ContractDocument,
  type Method,
  METHODS,
  type OperationObject,
  type ParameterObject,
  type PathItem,
  resolve,
} from './document.ts'
import {
  ContractMistake,
  deprecationOf,
  type LimitPolicy,
  listOf,
  parseLimits,
  refuseUnknownKeys,
} from './extensions.ts'
import { movedPaths } from './moved-paths.ts'
import { placeOf } from './places.ts'
import { refusalsOf, repliesOf } from './documented-statuses.ts'
import type { Policies, Policy } from './policy.ts'

const ROOT_KEYS = ['x-rate-limits']
const OPERATION_KEYS = [
  'x-scopes',
  'x-rate-limit',
  'x-problems',
  'x-audit',
  'x-idempotent',
  'x-deprecated-since',
  'x-sunset',
  'x-moved-to',
]

/**
 * Reads every policy of the document and checks each against the others.
 * @param statusOf the HTTP status of each problem code
 * @throws {ContractMistake} at the first mistake: an unknown `x-` key, limit, scope, problem or operation
 */
export function parsePolicies(
  document: ContractDocument,
  statusOf: Readonly<Record<ProblemCode, number>>,
): Policies {
  refuseUnknownKeys(document, ROOT_KEYS, '#')
  const basePath = basePathOf(document)
  const limits = parseLimits(document)
  const paths = Object.entries(document.paths)
  const operations = paths.flatMap(([path, item]) =>
    operationsOf(item).map(([method, operation]) =>
      parseOperation({ document, limits, statusOf, path, method, operation }),
    ),
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

type OperationPlace = {
  document: ContractDocument
  limits: Record<string, LimitPolicy>
  statusOf: Readonly<Record<ProblemCode, number>>
  path: string
  method: Method
  operation: OperationObject
}

function parseOperation(at: OperationPlace): Policy {
  const { document, path, method, operation } = at
  const place = placeOf(path, method)
  refuseUnknownKeys(operation, OPERATION_KEYS, place)
  const auth = authOf(document, operation)
  const responses = Object.entries(operation.responses).map(
    ([status, response]) => [Number(status), resolve(document, response)] as const,
  )
  const deprecation = deprecationOf(operation, place)
  const parameters = [
    ...(document.paths[path]?.parameters ?? []),
    ...(operation.parameters ?? []),
  ].map((entry) => resolve(document, entry))
  const queries = parameters
    .filter((one) => one.in === 'query')
    .map((one) => [one.name, resolve(document, one.schema).type] as const)
  const policy: Policy = {
    operationId: operation.operationId,
    method,
    path,
    tag: operation.tags?.[0] ?? '',
    auth,
    scopes: parseScopes(at, auth, place),
    rateLimit: listOf(operation, 'x-rate-limit', Object.keys(at.limits), place),
    problems: listOf(operation, 'x-problems', Object.keys(at.statusOf), place) as ProblemCode[],
    audit: listOf(operation, 'x-audit', namesIn(document, 'AuditEventName'), place) as never[],
    hasBody: operation.requestBody !== undefined,
    idempotent: isIdempotent(operation, parameters, place),
    headerParameters: parameters.filter((one) => one.in === 'header').map((one) => one.name),
    queries: new Map(queries.map(([name, type]) => [name, type === 'array' ? 'many' : 'one'])),
    integerQueries: queries.filter(([, type]) => type === 'integer').map(([name]) => name),
    replies: repliesOf(responses),
    refusals: refusalsOf(responses),
    ...(deprecation && { deprecation }),
    ...(typeof operation['x-moved-to'] === 'string' && { movedTo: operation['x-moved-to'] }),
  }
  for (const code of policy.problems) {
    if (String(at.statusOf[code]) in operation.responses) continue
    throw new ContractMistake(
      `${place}/x-problems`,
      `names ${code}, but ${at.statusOf[code]} is not among the responses`,
    )
  }
  return policy
}

function isIdempotent(
  operation: OperationObject,
  parameters: readonly ParameterObject[],
  place: string,
): boolean {
  const declared = operation['x-idempotent'] ?? false
  if (typeof declared !== 'boolean') {
    throw new ContractMistake(`${place}/x-idempotent`, 'must be true or false')
  }
  const takesKey = parameters.some((one) => one.in === 'header' && one.name === 'Idempotency-Key')
  if (declared !== takesKey) {
    throw new ContractMistake(place, 'x-idempotent and the parameter Idempotency-Key go together')
  }
  return declared
}

function authOf(document: ContractDocument, operation: OperationObject): Policy['auth'] {
  const ways = operation.security ?? document.security ?? []
  const schemes = ways.flatMap(Object.keys)
  if (schemes.length === 0) return 'public'
  if (ways.some((way) => Object.keys(way).length === 0)) return 'optional'
  return schemes.includes('apiKey') ? 'required' : 'session'
}

function namesIn(document: ContractDocument, schema: string): readonly string[] {
  return document.components.schemas[schema]?.enum ?? []
}

function parseScopes(at: OperationPlace, auth: Policy['auth'], place: string): Scope[] {
  const known = namesIn(at.document, 'Scope')
  const declared = at.operation['x-scopes'] !== undefined
  const needsOne = auth === 'required' || auth === 'session'
  if (needsOne && !declared) {
    throw new ContractMistake(place, 'is secured and must say x-scopes')
  }
  if (!needsOne && declared) {
    throw new ContractMistake(`${place}/x-scopes`, 'stands on a public operation')
  }
  return listOf(at.operation, 'x-scopes', known, place) as Scope[]
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
