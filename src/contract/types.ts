import type { operations } from '../../generated/api.ts'
import type { policies } from '../../generated/policies.ts'
import type { Call } from '../domain/calls/call.ts'
import type { Principal, SessionPrincipal } from '../domain/principal.ts'

/*
 * What a handler receives and may answer, derived from the generated types alone. A handler that
 * is missing, answers an undocumented status or body, or reads a caller that it has not, does
 * not compile; tests/contract/handlers.types.ts shows each of these errors.
 */

// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- no keys, to be intersected
type Nothing = {}

/** The keys that are written out, without the index signature that openapi-typescript adds. */
type Declared<T> = { [K in keyof T as string extends K ? never : K]: T[K] }

type Parameters<K extends DocumentedId, In extends 'path' | 'query' | 'header'> =
  operations[K]['parameters'] extends Partial<Record<In, infer Values>>
    ? [Values] extends [undefined]
      ? Nothing
      : NonNullable<Values>
    : Nothing

type Body<K extends DocumentedId> = operations[K] extends {
  requestBody: { content: { 'application/json': infer Json } }
}
  ? Json
  : undefined

type DocumentedId = keyof operations

type MovedId = {
  [K in DocumentedId]: (typeof policies)[K] extends { movedTo: string } ? K : never
}[DocumentedId]

/** Every operation that has a handler: all but those that only say where they moved. */
export type OperationId = Exclude<DocumentedId, MovedId>

/** A validated request of operation `K`. */
export type Input<K extends OperationId> = {
  path: Parameters<K, 'path'>
  query: Parameters<K, 'query'>
  /** The header parameters that the contract declares, under the names it declares them by. */
  headers: Parameters<K, 'header'>
  body: Body<K>
}

/** One event of a stream with its id; `event` is held against the contract before it is sent. */
export type Frame<Event> = { id: string; event: Event }

/** The response headers that a handler sets; the journey sets all others. */
type HandlerHeader = 'ETag' | 'Location' | 'Retry-After'

type HeadersOf<Response> = Response extends { headers: infer Headers }
  ? Pick<Declared<Headers>, Extract<keyof Declared<Headers>, HandlerHeader>>
  : Nothing

type WithHeaders<Response> = keyof HeadersOf<Response> extends never
  ? Nothing
  : { headers: HeadersOf<Response> }

type Payload<Response> = Response extends { content: { 'application/json': infer Json } }
  ? { body: Json }
  : Response extends { content: { 'text/event-stream': infer Event } }
    ? { frames: AsyncIterable<Frame<Event>> }
    : Response extends { content: { 'application/x-ndjson': infer Line } }
      ? { lines: AsyncIterable<Line> }
      : { body?: never }

/** An operation that honours `Idempotency-Key` says when an earlier call did the work. */
type Replayed<Response> = Response extends { headers: { 'Idempotency-Replayed': unknown } }
  ? { replayed?: true }
  : { replayed?: never }

/** Problems are thrown, 304 and 308 are the journey's: what is left is a handler's to answer. */
type AnsweredStatus<Responses> = {
  [S in keyof Responses]: S extends 304 | 308
    ? never
    : Responses[S] extends { content: { 'application/problem+json': unknown } }
      ? never
      : S
}[keyof Responses]

/** What operation `K` may answer: one member for each documented status that is no problem. */
export type Reply<K extends OperationId> = {
  [S in AnsweredStatus<operations[K]['responses']>]: { status: S } & WithHeaders<
    operations[K]['responses'][S]
  > &
    Payload<operations[K]['responses'][S]> &
    Replayed<operations[K]['responses'][S]>
}[AnsweredStatus<operations[K]['responses']>]

/** The caller of a secured operation; a public operation has none to read. */
export type Caller<K extends OperationId> = (typeof policies)[K]['auth'] extends 'public'
  ? null
  : (typeof policies)[K]['auth'] extends 'session'
    ? SessionPrincipal
    : (typeof policies)[K]['auth'] extends 'optional'
      ? Principal | null
      : Principal

/** A handler: input and caller in, reply out. It never sees a request or a response. */
export type Operation<K extends OperationId> = (
  input: Input<K>,
  caller: Caller<K>,
  call: Call,
) => Promise<Reply<K>>

/** All handlers. An object that lacks one, or has one more, does not satisfy it. */
export type Operations = { [K in OperationId]: Operation<K> }

/** The handlers of one tag. */
export type Group<K extends OperationId> = Pick<Operations, K>
