import type { Dependencies } from '../domain/dependencies.ts'
import type { SigningKeys } from '../ports/keys/signing-keys.ts'
import type { Tracer } from '../ports/observability/tracer.ts'
import type { OperatorRequests } from '../ports/operator-requests.ts'

/** Everything the program opens: what the domain needs, and what only its surroundings need. */
export type World = Dependencies & {
  keys: SigningKeys
  /** Present where traces are exported. */
  tracer?: Tracer
  /** Receives the requests of commands; present with the embedded database, which one process owns. */
  operatorRequests?: OperatorRequests
}
