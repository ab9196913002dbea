import type { AuditEventName, ProblemCode, Scope } from '../../generated/api.ts'
import type { Method } from './document.ts'
import type { Deprecation, LimitPolicy } from './extensions.ts'

/** The query parameters of an operation, and how many values each takes. */
export type QueryParameters = ReadonlyMap<string, 'one' | 'many'>

/** Everything that the contract says of one operation beyond its shapes. */
export type Policy = {
  operationId: string
  method: Method
  /** The path below the server's base path, with `{name}` for parameters. */
  path: string
  tag: string
  /**
   * `session`: a person who is logged in, and no API key; `optional`: a credential is taken if one
   * is given.
   */
  auth: 'public' | 'optional' | 'required' | 'session'
  scopes: readonly Scope[]
  rateLimit: readonly string[]
  problems: readonly ProblemCode[]
  /** The audit events that it may record. An operation with any is never run by HEAD. */
  audit: readonly AuditEventName[]
  hasBody: boolean
  /** An `Idempotency-Key` is honoured. */
  idempotent: boolean
  /** Header parameters, as the contract spells them. */
  headerParameters: readonly string[]
  queries: QueryParameters
  /** Query parameters that are integers: the validator takes `0x10` for one. */
  integerQueries: readonly string[]
  /** What a handler may answer: for each status that is no problem, its media type if it has one. */
  replies: ReadonlyMap<number, string | undefined>
  /** The statuses of the problems that it may end with. */
  refusals: ReadonlySet<number>
  deprecation?: Deprecation
  /** The operation that took this one's place: it answers 308 and nothing else. */
  movedTo?: string
}

export type Policies = {
  basePath: string
  limits: Readonly<Record<string, LimitPolicy>>
  operations: readonly Policy[]
  moved: readonly MovedPath[]
}

/** The old place of a path, which answers 308 with the new one. */
export type MovedPath = {
  from: string
  to: string
  method: Method
  /** The operation whose contract describes the old place, too. */
  policy: Policy
  deprecation: Deprecation
}
