import type { policies } from '../../generated/policies.ts'
import type { Input, OperationId, Reply } from '../contract/types.ts'
import type { Call } from '../domain/calls/call.ts'
import type { Principal, SessionPrincipal } from '../domain/access/principal.ts'

/*
 * The types of the handlers. A handler that is missing, replies with an undocumented status or body,
 * or reads a caller that it does not have, does not compile; tests/contract/handlers.types.ts shows
 * each of these errors.
 */

/** The caller of operation `K`; a public operation has none. */
export type Caller<K extends OperationId> = (typeof policies)[K]['auth'] extends 'public'
  ? null
  : (typeof policies)[K]['auth'] extends 'session'
    ? SessionPrincipal
    : (typeof policies)[K]['auth'] extends 'optional'
      ? Principal | null
      : Principal

/** A handler: input, caller and call in, reply out. It never sees a request or a response. */
export type Operation<K extends OperationId> = (
  input: Input<K>,
  caller: Caller<K>,
  call: Call,
) => Promise<Reply<K>>

/** All handlers. An object that lacks one, or has one more, does not satisfy it. */
export type Operations = { [K in OperationId]: Operation<K> }

type Tag = (typeof policies)[OperationId]['tag']

/** The handlers of one tag of the contract. */
export type Group<T extends Tag> = {
  [K in OperationId as (typeof policies)[K]['tag'] extends T ? K : never]: Operation<K>
}
