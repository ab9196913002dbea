import type { AuditEventName, ProblemCode, Scope } from '../../generated/api.ts'
import type { Method } from './document.ts'
import type { Deprecation, LimitPolicy } from './extensions.ts'

/** The query parameters of an operation, and how many values each takes. */
export type QueryParameters = ReadonlyMap<string, 'one' | 'many'>

/** What the contract says of one operation, beyond the schemas of its bodies. */
export type Policy = {
  operationId: string
  method: Method
  /** The path below the server's base path, with `{name}` for parameters. */
  path: string
  tag: string
  /**
   * `required`: an access token or an API key. `session`: an access token only. `optional`: a
   * credential is checked if the call has one.
   */
  auth: 'public' | 'optional' | 'required' | 'session'
  scopes: readonly Scope[]
  rateLimit: readonly string[]
  problems: readonly ProblemCode[]
  /** The audit events that the operation may record. With any, HEAD does not run it. */
  audit: readonly AuditEventName[]
  hasBody: boolean
  /** Whether the operation honours `Idempotency-Key`. */
  idempotent: boolean
  /** Header parameters, as the contract spells them. */
  headerParameters: readonly string[]
  queries: QueryParameters
  /** Query parameters that are integers: the validator accepts `0x10` as one. */
  integerQueries: readonly string[]
  /** The statuses that a handler may reply with, and the media type of each that has a body. */
  replies: ReadonlyMap<number, string | undefined>
  deprecation?: Deprecation
  /** The successor of an operation that only redirects, with 308. */
  movedTo?: string
}

export type Policies = {
  basePath: string
  limits: Readonly<Record<string, LimitPolicy>>
  operations: readonly Policy[]
  moved: readonly MovedPath[]
}

/** The old URL of a path: it redirects to the new one, with 308. */
export type MovedPath = {
  from: string
  to: string
  method: Method
  /** The operation that the contract describes at the old URL. */
  policy: Policy
  deprecation: Deprecation
}
