import type { operations } from '../../generated/api.ts'
import type { policies } from '../../generated/policies.ts'

/*
 * The request and the replies of each operation, derived from the generated types alone. The
 * handlers are typed with them in src/operations/operation.ts.
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

/** Every operation that has a handler: all but those that only redirect to their successor. */
export type OperationId = Exclude<DocumentedId, MovedId>

/** A validated request of operation `K`. */
export type Input<K extends OperationId> = {
  path: Parameters<K, 'path'>
  query: Parameters<K, 'query'>
  /** The header parameters that the contract declares, under the names it declares them by. */
  headers: Parameters<K, 'header'>
  body: Body<K>
}

/** One event of a stream, with its id. It is checked against the contract before it is sent. */
export type Frame<Event> = { id: string; event: Event }

/** The response headers that a handler sets; `src/http` sets all others. */
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

/** Where `Idempotency-Key` is honoured: `replayed` when an earlier call with the same key did the work. */
type Replayed<Response> = Response extends { headers: { 'Idempotency-Replayed': unknown } }
  ? { replayed?: true }
  : { replayed?: never }

/** The statuses of a handler: problems are thrown, and `src/http` sends 304 and 308. */
type ReplyStatus<Responses> = {
  [S in keyof Responses]: S extends 304 | 308
    ? never
    : Responses[S] extends { content: { 'application/problem+json': unknown } }
      ? never
      : S
}[keyof Responses]

/** What the handler of operation `K` returns: one member for each status that it may reply with. */
export type Reply<K extends OperationId> = {
  [S in ReplyStatus<operations[K]['responses']>]: { status: S } & WithHeaders<
    operations[K]['responses'][S]
  > &
    Payload<operations[K]['responses'][S]> &
    Replayed<operations[K]['responses'][S]>
}[ReplyStatus<operations[K]['responses']>]
