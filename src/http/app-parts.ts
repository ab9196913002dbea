import type { Contract } from '../contract/document.ts'
import type { Policies } from '../contract/policy.ts'
import type { Dependencies } from '../domain/dependencies.ts'
import type { Services } from '../domain/services.ts'
import type { Operations } from '../operations/operation.ts'
import type { SigningKeys } from '../ports/keys/signing-keys.ts'
import type { Tracer } from '../ports/observability/tracer.ts'
import type { ValidResponse } from './response/head-check.ts'

/** The operator's decisions about HTTP. Source: the configuration. */
export type HttpSettings = {
  /** A number of hops, or addresses and CIDRs, as Express's `trust proxy` takes them. */
  trustProxy: number | readonly string[]
  corsOrigins: readonly string[]
  requireHttps: boolean
  tls: object | undefined
  securityContacts: readonly string[]
}

export type AppParts = {
  contract: Contract
  policies: Policies
  operations: Operations
  services: Services
  deps: Dependencies & { keys: SigningKeys; tracer?: Tracer }
  settings: HttpSettings
  /** The additional delay for each further failure to sign in, in milliseconds. */
  signInDelayStepMs: number
  /** Called with every response that fits the contract. */
  onValidResponse?: ((response: ValidResponse) => void) | undefined
}
