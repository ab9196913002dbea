import type { AuditEventName, ProblemCode, Scope } from '../../generated/api.ts'
import {
  type ContractDocument,
  type Method,
  type OperationObject,
  type ParameterObject,
  resolve,
} from './document.ts'
import {
  ContractMistake,
  deprecationOf,
  type LimitPolicy,
  listOf,
  refuseUnknownKeys,
} from './extensions.ts'
import type { Policy } from './policy.ts'
import { responsesOf } from './responses/documented-responses.ts'

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

/** One operation, and what its policy refers to. */
export type OperationSource = {
  document: ContractDocument
  limits: Readonly<Record<string, LimitPolicy>>
  statusOf: Readonly<Partial<Record<ProblemCode, number>>>
  path: string
  method: Method
  operation: OperationObject
  /** JSON Pointer of the operation. */
  place: string
}

/** Reads the policy of one operation. @throws {ContractMistake} */
export function parseOperation(source: OperationSource): Policy {
  const { document, path, method, operation, place } = source
  refuseUnknownKeys(operation, OPERATION_KEYS, place)
  const auth = authOf(document, operation)
  const parameters = parametersOf(source)
  const deprecation = deprecationOf(operation, place)
  const movedTo = operation['x-moved-to']
  return {
    operationId: operation.operationId,
    method,
    path,
    tag: operation.tags?.[0] ?? '',
    auth,
    scopes: scopesOf(source, auth),
    rateLimit: listOf(operation, 'x-rate-limit', Object.keys(source.limits), place),
    problems: problemsOf(source),
    audit: auditOf(source),
    hasBody: operation.requestBody !== undefined,
    idempotent: isIdempotent(source, parameters),
    headerParameters: parameters.filter((one) => one.in === 'header').map((one) => one.name),
    ...queriesOf(document, parameters),
    replies: repliesOf(source),
    ...(deprecation && { deprecation }),
    ...(typeof movedTo === 'string' && { movedTo }),
  }
}

function parametersOf({ document, path, operation }: OperationSource): ParameterObject[] {
  const ofPath = document.paths[path]?.parameters ?? []
  return [...ofPath, ...(operation.parameters ?? [])].map((entry) => resolve(document, entry))
}

function queriesOf(
  document: ContractDocument,
  parameters: readonly ParameterObject[],
): Pick<Policy, 'queries' | 'integerQueries'> {
  const types = parameters
    .filter((one) => one.in === 'query')
    .map((one) => [one.name, resolve(document, one.schema).type] as const)
  return {
    queries: new Map(types.map(([name, type]) => [name, type === 'array' ? 'many' : 'one'])),
    integerQueries: types.filter(([, type]) => type === 'integer').map(([name]) => name),
  }
}

function repliesOf({ document, operation }: OperationSource): Policy['replies'] {
  const replies = responsesOf(document, operation).filter(({ isReply }) => isReply)
  return new Map(replies.map(({ status, mediaType }) => [status, mediaType]))
}

/** Reads `security`. */
function authOf(document: ContractDocument, operation: OperationObject): Policy['auth'] {
  const ways = operation.security ?? document.security ?? []
  const schemes = ways.flatMap(Object.keys)
  if (schemes.length === 0) return 'public'
  if (ways.some((way) => Object.keys(way).length === 0)) return 'optional'
  return schemes.includes('apiKey') ? 'required' : 'session'
}

/** Reads `x-scopes`. */
function scopesOf({ document, operation, place }: OperationSource, auth: Policy['auth']): Scope[] {
  const isDeclared = operation['x-scopes'] !== undefined
  const needsScopes = auth === 'required' || auth === 'session'
  if (needsScopes && !isDeclared) {
    throw new ContractMistake(place, 'is secured and must say x-scopes')
  }
  if (!needsScopes && isDeclared) {
    throw new ContractMistake(`${place}/x-scopes`, 'stands on a public operation')
  }
  return listOf(operation, 'x-scopes', namesIn(document, 'Scope'), place) as Scope[]
}

/**
 * Reads `x-problems`: each problem's status must be among the responses. A code that the program does
 * not know yet has no status: the compiler asks for it once the types have been generated.
 */
function problemsOf({ document, operation, statusOf, place }: OperationSource): ProblemCode[] {
  const known = namesIn(document, 'ProblemCode')
  const codes = listOf(operation, 'x-problems', known, place) as ProblemCode[]
  for (const code of codes) {
    const status = statusOf[code]
    if (status === undefined || String(status) in operation.responses) continue
    throw new ContractMistake(
      `${place}/x-problems`,
      `names ${code}, but ${status} is not among the responses`,
    )
  }
  return codes
}

/** Reads `x-audit`. */
function auditOf({ document, operation, place }: OperationSource): AuditEventName[] {
  const events = namesIn(document, 'AuditEventName')
  return listOf(operation, 'x-audit', events, place) as AuditEventName[]
}

/** Reads `x-idempotent`, which goes together with the parameter `Idempotency-Key`. */
function isIdempotent(
  { operation, place }: OperationSource,
  parameters: readonly ParameterObject[],
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

function namesIn(document: ContractDocument, schema: string): readonly string[] {
  return document.components.schemas[schema]?.enum ?? []
}
