import type { ProblemCode, Scope } from '../../generated/api.ts'
import type {
  ContractDocument,
  Method,
  OperationObject,
  PathItem,
  ServerEntry,
} from './document.ts'
import { METHODS, resolve } from './document.ts'

/** Who a limit counts: an address, a signed-in principal, or an account as tried from one address. */
export type LimitSubject = 'address' | 'principal' | 'account-and-address'

/** A limit of the root's `x-rate-limits`: `quota` calls in a fixed window of `windowSeconds`. */
export type LimitPolicy = {
  name: string
  quota: number
  windowSeconds: number
  per: LimitSubject
  /** Every call counts, or only those that show a secret which is wrong. */
  counts: 'calls' | 'failures'
}

/** Since when something is deprecated, and on which day it goes away (both 00:00 UTC). */
export type Deprecation = { since: Date; sunset: Date }

/** Everything that the contract says of one operation beyond its shapes. */
export type Policy = {
  operationId: string
  method: Method
  /** The path below the server's base path, with `{name}` for parameters. */
  path: string
  tag: string
  auth: 'public' | 'required'
  scopes: readonly Scope[]
  rateLimit: readonly string[]
  problems: readonly ProblemCode[]
  hasBody: boolean
  /** Header parameters, as the contract spells them. */
  headerParameters: readonly string[]
  /** Query parameters that are integers: the validator takes `0x10` for one. */
  integerQueries: readonly string[]
  /** Media types of the answers that are no problems; empty when they have no body. */
  answers: readonly string[]
  statuses: readonly number[]
  deprecation?: Deprecation
  /** The operation that took this one's place: it answers 308 and nothing else. */
  movedTo?: string
}

/** The old place of a path, which answers 308 with the new one. */
export type MovedPath = { from: string; to: string; method: Method; deprecation: Deprecation }

export type Policies = {
  basePath: string
  limits: Readonly<Record<string, LimitPolicy>>
  operations: readonly Policy[]
  moved: readonly MovedPath[]
}

/** A mistake in the contract, with its place as a JSON Pointer. It stops the start. */
export class ContractMistake extends Error {
  constructor(place: string, problem: string) {
    super(`openapi/api.yaml ${place}: ${problem}`)
    this.name = 'ContractMistake'
  }
}

const ROOT_KEYS = ['x-rate-limits']
const SERVER_KEYS = ['x-deprecated-since', 'x-sunset']
const OPERATION_KEYS = [
  'x-scopes',
  'x-rate-limit',
  'x-problems',
  'x-deprecated-since',
  'x-sunset',
  'x-moved-to',
]
const LIMIT_SUBJECTS: readonly string[] = ['address', 'principal', 'account-and-address']

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

function parseLimits(document: ContractDocument): Record<string, LimitPolicy> {
  const declared = (document['x-rate-limits'] ?? {}) as Record<string, Omit<LimitPolicy, 'name'>>
  const entries = Object.entries(declared).map(([name, limit]): [string, LimitPolicy] => {
    const place = `#/x-rate-limits/${name}`
    if (!/^[a-z]+(-[a-z]+)*$/.test(name)) throw new ContractMistake(place, 'is no kebab-case name')
    for (const key of ['quota', 'windowSeconds'] as const) {
      if (Number.isSafeInteger(limit[key]) && limit[key] > 0) continue
      throw new ContractMistake(`${place}/${key}`, 'must be a positive integer')
    }
    if (!LIMIT_SUBJECTS.includes(limit.per)) {
      throw new ContractMistake(`${place}/per`, `must be one of ${LIMIT_SUBJECTS.join(', ')}`)
    }
    const { quota, windowSeconds, per, counts = 'calls' } = limit
    if (!['calls', 'failures'].includes(counts)) {
      throw new ContractMistake(`${place}/counts`, 'must be calls or failures')
    }
    return [name, { name, quota, windowSeconds, per, counts }]
  })
  return Object.fromEntries(entries)
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
  const auth = isPublic(document, operation) ? 'public' : 'required'
  const responses = Object.entries(operation.responses).map(
    ([status, response]) => [Number(status), resolve(document, response)] as const,
  )
  const answers = responses.flatMap(([, response]) => Object.keys(response.content ?? {}))
  const deprecation = deprecationOf(operation, place)
  const parameters = (operation.parameters ?? []).map((entry) => resolve(document, entry))
  const policy: Policy = {
    operationId: operation.operationId,
    method,
    path,
    tag: operation.tags?.[0] ?? '',
    auth,
    scopes: parseScopes(at, auth, place),
    rateLimit: listOf(operation, 'x-rate-limit', Object.keys(at.limits), place),
    problems: listOf(operation, 'x-problems', Object.keys(at.statusOf), place) as ProblemCode[],
    hasBody: operation.requestBody !== undefined,
    headerParameters: parameters.filter((one) => one.in === 'header').map((one) => one.name),
    integerQueries: parameters
      .filter((one) => one.in === 'query' && resolve(document, one.schema).type === 'integer')
      .map((one) => one.name),
    answers: [...new Set(answers)].filter((type) => type !== 'application/problem+json'),
    statuses: responses.map(([status]) => status),
    ...(deprecation && { deprecation }),
    ...(typeof operation['x-moved-to'] === 'string' && { movedTo: operation['x-moved-to'] }),
  }
  for (const code of policy.problems) {
    if (policy.statuses.includes(at.statusOf[code])) continue
    throw new ContractMistake(
      `${place}/x-problems`,
      `names ${code}, but ${at.statusOf[code]} is not among the responses`,
    )
  }
  return policy
}

function isPublic(document: ContractDocument, operation: OperationObject): boolean {
  const security = operation.security ?? document.security ?? []
  return security.length === 0
}

function parseScopes(at: OperationPlace, auth: Policy['auth'], place: string): Scope[] {
  const known = at.document.components.schemas['Scope']?.enum ?? []
  const declared = at.operation['x-scopes'] !== undefined
  if (auth === 'required' && !declared) {
    throw new ContractMistake(place, 'is secured and must say x-scopes')
  }
  if (auth === 'public' && declared) {
    throw new ContractMistake(`${place}/x-scopes`, 'stands on a public operation')
  }
  return listOf(at.operation, 'x-scopes', known, place) as Scope[]
}

function listOf(
  operation: OperationObject,
  key: `x-${string}`,
  known: readonly string[],
  place: string,
): string[] {
  const list = operation[key] ?? []
  if (!Array.isArray(list)) throw new ContractMistake(`${place}/${key}`, 'must be a list')
  for (const entry of list as unknown[]) {
    if (typeof entry === 'string' && known.includes(entry)) continue
    throw new ContractMistake(`${place}/${key}`, `${JSON.stringify(entry)} is not known`)
  }
  return list as string[]
}

function deprecationOf(
  thing: OperationObject | ServerEntry,
  place: string,
): Deprecation | undefined {
  const since = thing['x-deprecated-since']
  const sunset = thing['x-sunset']
  const deprecated = 'deprecated' in thing && thing.deprecated === true
  if (since === undefined && sunset === undefined && !deprecated) return undefined
  if (typeof since !== 'string' || typeof sunset !== 'string') {
    throw new ContractMistake(place, 'is deprecated and must say x-deprecated-since and x-sunset')
  }
  const dates = { since: new Date(since), sunset: new Date(sunset) }
  if (!(dates.since.getTime() < dates.sunset.getTime())) {
    throw new ContractMistake(place, 'x-sunset must be a day after x-deprecated-since')
  }
  return dates
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

/** A path's servers other than the document's own are old places; they must say since when. */
function movedPaths(
  path: string,
  item: PathItem,
  operations: readonly Policy[],
  basePath: string,
): MovedPath[] {
  const old = (item.servers ?? []).filter((server) => server.url !== basePath)
  return old.flatMap((server) => {
    const place = `#/paths/${path.replaceAll('/', '~1')}/servers`
    refuseUnknownKeys(server, SERVER_KEYS, place)
    const deprecation = deprecationOf(server, place)
    if (!deprecation) throw new ContractMistake(place, `${server.url} must be deprecated`)
    return operations
      .filter((operation) => operation.path === path)
      .map(({ method, movedTo }) => {
        const successor = operations.find((operation) => operation.operationId === movedTo)
        const to = basePath + (successor?.path ?? path)
        return { from: server.url.replace(/\/$/, '') + path, to, method, deprecation }
      })
  })
}

function refuseUnknownKeys(thing: object, known: readonly string[], place: string): void {
  for (const key of Object.keys(thing)) {
    if (!key.startsWith('x-') || known.includes(key)) continue
    throw new ContractMistake(`${place}/${key}`, 'is an unknown extension')
  }
}

function placeOf(path: string, method: Method): string {
  return `#/paths/${path.replaceAll('/', '~1')}/${method}`
}
